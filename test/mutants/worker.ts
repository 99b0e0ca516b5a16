/**
 * Loads the tests with all mutants in the sources, then runs tests as its parent says. It may hang or die at any of
 * them: that is the parent's business.
 */
import { enableCompileCache, registerHooks, stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Order, Report } from './orders.ts'
import { mutatedSources } from './mutated-sources.ts'
import { project } from './scope.ts'
import { notePassing, switchOn, takePassed } from './mutant-switch.ts'
import { collect, type SuiteTest } from './suite.ts'

const here = new URL('.', import.meta.url)
const suite = new URL('suite.ts', here).href

enableCompileCache(join(project, '.cache/mutants'))

const { sources: mutated, mutants } = mutatedSources()
const sources = new Map(mutated)

registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier === 'vitest') return { url: suite, shortCircuit: true }
    return next(specifier, context)
  },
  load: (url, context, next) => {
    const code = sources.get(url)
    return code === undefined ? next(url, context) : { format: 'module', source: code, shortCircuit: true }
  },
})

const tests = new Map<string, SuiteTest>()
let uncaught: string | undefined

for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error) => {
    uncaught ??= error instanceof Error ? error.message : event
  })
}

function tell(report: Report): void {
  process.send?.(report)
}

async function load(files: readonly string[]): Promise<string[]> {
  const names: string[] = []
  for (const file of files) {
    const found = await collect(file, () => import(new URL(`../../${file}`, here).href))
    for (const [index, test] of found.entries()) {
      tests.set(`${file}#${index}`, test)
      names.push(`${file}#${index}`)
    }
  }
  return names
}

/** Why it failed; undefined when it did not. */
async function run(test: SuiteTest, limitMs: number): Promise<string | undefined> {
  uncaught = undefined
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('it takes too long'), limitMs)
  })
  const outcome = await Promise.race([
    limit,
    test.run().then(
      () => undefined,
      (error: unknown) => String(error),
    ),
  ])
  clearTimeout(timer)
  // What nobody has caught is told once the queues are empty.
  await new Promise((resolve) => setImmediate(resolve))
  return outcome ?? uncaught
}

async function obey(order: Order): Promise<Report> {
  if (order.kind === 'load') {
    switchOn(order.mutant)
    if (order.mutant === undefined) notePassing(mutants.length)
    if (order.patch !== undefined) {
      const { file, text } = order.patch
      sources.set(pathToFileURL(join(project, file)).href, stripTypeScriptTypes(text))
    }
    try {
      const names = await load(order.files)
      return { kind: 'loaded', tests: names, passed: takePassed() }
    } catch (error) {
      return { kind: 'failed', test: 'loading', why: String(error) }
    }
  }
  if (order.kind === 'survey') {
    notePassing(mutants.length)
    const test = tests.get(order.test)
    if (test === undefined) return { kind: 'failed', test: order.test, why: 'there is no such test' }
    const beganMs = performance.now()
    const why = await run(test, order.limitMs)
    const tookMs = performance.now() - beganMs
    return { kind: 'surveyed', test: order.test, name: test.name, tookMs, why, passed: takePassed() }
  }
  notePassing(undefined)
  for (const { test: name, limitMs } of order.tests) {
    const test = tests.get(name)
    if (test === undefined) continue
    tell({ kind: 'begun', test: name })
    switchOn(order.mutant)
    const why = await run(test, limitMs)
    if (!order.isStatic) switchOn(undefined)
    if (why === undefined) continue
    // What a mutant leaves behind may fail the tests of the next.
    const isSound = order.isStatic || (await run(test, limitMs)) === undefined
    return { kind: 'failed', test: name, why, isSound }
  }
  return { kind: 'passed' }
}

process.on('message', (order: Order) => {
  void obey(order).then(tell)
})
