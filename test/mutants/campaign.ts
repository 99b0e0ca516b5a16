/**
 * Tries mutants. First all tests run once, unchanged, and it is noted which mutants each passes by; then every mutant is
 * switched on for the tests that pass by it, the fastest first, until one fails.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Labour } from './labour.ts'
import type { Report } from './orders.ts'
import { project, testFiles } from './scope.ts'
import type { SeededMutant } from './seeded.ts'

export interface Survey {
  readonly tests: readonly SurveyedTest[]
  /** Those that have their effect when a source is loaded: they need a process each. */
  readonly statics: ReadonlySet<number>
}

interface SurveyedTest {
  readonly test: string
  readonly name: string
  readonly tookMs: number
  readonly passed: ReadonlySet<number>
}

export type Verdict =
  | { readonly kind: 'killed'; readonly by: string; readonly why: string }
  | { readonly kind: 'survived'; readonly testsCount: number }

/** Tests that take longer are not worth their time for every mutant. */
const testMaxMs = 2000
const loadMaxMs = 60_000
const triesMax = 3

export async function survey(tell: (line: string) => void): Promise<Survey> {
  const labour = new Labour()
  try {
    const loaded = await labour.ask({ kind: 'load', files: testFiles, mutant: undefined }, loadMaxMs)
    if (loaded.kind !== 'loaded') throw new Error(`the tests cannot be loaded: ${whyOf(loaded)}`)
    const tests: SurveyedTest[] = []
    let leftOut = 0
    for (const test of loaded.tests) {
      const order = { kind: 'survey', test, limitMs: 10 * testMaxMs } as const
      const report = await labour.ask(order, loadMaxMs)
      if (report.kind === 'surveyed' && report.why === undefined && report.tookMs < testMaxMs) {
        tests.push({ test, name: report.name, tookMs: report.tookMs, passed: new Set(report.passed) })
      } else {
        leftOut += 1
        tell(`left out: ${test}`)
      }
      if (!labour.isUp) throw new Error(`${test} does not come to an end`)
    }
    tell(`${tests.length} tests; ${leftOut} are too slow, or need vitest itself`)
    return { tests: tests.toSorted((a, b) => a.tookMs - b.tookMs), statics: new Set(loaded.passed) }
  } finally {
    labour.end()
  }
}

function whyOf(report: Report): string {
  return 'why' in report ? String(report.why) : report.kind
}

/** Tries mutants one after the other; several at once take them from the same list. */
export async function tryAll(
  mutants: readonly number[],
  { tests, statics }: Survey,
  told: (mutant: number, verdict: Verdict) => void,
): Promise<void> {
  const labour = new Labour()
  const queue = mutants.values()
  for (const mutant of queue) {
    const covering = tests.filter(({ passed }) => passed.has(mutant))
    const verdict = statics.has(mutant)
      ? await tryStatic(mutant, tests, labour)
      : await tryOne(mutant, covering, labour)
    told(mutant, verdict)
  }
  labour.end()
}

async function tryOne(mutant: number, covering: readonly SurveyedTest[], labour: Labour): Promise<Verdict> {
  let tests = covering
  for (let tries = 0; tests.length > 0 && tries < triesMax; tries += 1) {
    if (!labour.isUp) await labour.ask({ kind: 'load', files: testFiles, mutant: undefined }, loadMaxMs)
    const report = await labour.ask(orderOf(mutant, tests, false), patienceMs)
    if (report.kind !== 'failed') break
    if (report.isSound === true) return { kind: 'killed', by: report.test, why: report.why }
    // Something that an earlier mutant left behind, or a test that fails by itself: once more in a new process.
    labour.end()
    if (tries > 0) tests = tests.filter(({ test }) => test !== report.test)
  }
  return { kind: 'survived', testsCount: covering.length }
}

/** What tests machines alone comes first: it is fast, and made to find what is wrong with them. */
async function tryStatic(mutant: number, tests: readonly SurveyedTest[], labour: Labour): Promise<Verdict> {
  const [near, far] = [
    tests.filter(({ test }) => test.startsWith('test/machines/')),
    tests.filter(({ test }) => !test.startsWith('test/machines/')),
  ]
  for (const some of [near, far]) {
    labour.end()
    const files = [...new Set(some.map(({ test }) => test.slice(0, test.indexOf('#'))))]
    const loaded = await labour.ask({ kind: 'load', files, mutant }, loadMaxMs)
    const report =
      loaded.kind === 'loaded' ? await labour.ask(orderOf(mutant, some, true), patienceMs) : loaded
    if (report.kind !== 'failed') continue
    labour.end()
    return { kind: 'killed', by: report.test, why: report.why }
  }
  labour.end()
  return { kind: 'survived', testsCount: tests.length }
}

/** The test that notices, undefined when none does. */
export async function trySeededMutant(
  { file, find, put, by }: SeededMutant,
  { tests }: Survey,
): Promise<string | undefined> {
  const source = readFileSync(join(project, file), 'utf8')
  if (source.split(find).length !== 2) throw new Error(`${file} does not have once: ${find}`)
  const patch = { file, text: source.replace(find, () => put) }
  const labour = new Labour()
  try {
    const loaded = await labour.ask({ kind: 'load', files: [by], mutant: undefined, patch }, loadMaxMs)
    if (loaded.kind !== 'loaded') throw new Error(`${by} cannot be loaded: ${whyOf(loaded)}`)
    const own = tests.filter(({ test }) => test.startsWith(`${by}#`))
    const report = await labour.ask(orderOf(-1, own, true), patienceMs)
    return report.kind === 'failed'
      ? (tests.find(({ test }) => test === report.test)?.name ?? report.test)
      : undefined
  } finally {
    labour.end()
  }
}

const patienceMs = 15_000

function orderOf(mutant: number, tests: readonly SurveyedTest[], isStatic: boolean) {
  return {
    kind: 'try',
    mutant,
    isStatic,
    tests: tests.map(({ test, tookMs }) => ({ test, limitMs: Math.round(2000 + 5 * tookMs) })),
  } as const
}
