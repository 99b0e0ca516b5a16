/**
 * Stands in for `vitest` where a process runs the same tests again and again, a mutant switched on each time: vitest
 * itself loads everything anew for every run, which takes twenty times as long as the tests.
 *
 * Here are only the words that the project's tests use. `expect` and spies are vitest's own.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect as expectNow, vi as vitestVi } from 'vitest'

type Body = (...args: unknown[]) => unknown

export interface SuiteTest {
  readonly file: string
  readonly name: string
  readonly run: () => Promise<void>
}

interface Group {
  readonly outer: Group | undefined
  readonly name: string
  readonly before: Body[]
  readonly after: Body[]
}

const tests: SuiteTest[] = []
let file = ''
let group: Group = newGroup(undefined, '')
let finishing: Body[] = []

/** Loads the tests of a file. */
export async function collect(name: string, load: () => Promise<unknown>): Promise<readonly SuiteTest[]> {
  const first = tests.length
  file = name
  group = newGroup(undefined, '')
  await load()
  return tests.slice(first)
}

export function describe(name: string, body: () => void): void {
  const outer = group
  group = newGroup(outer, name)
  body()
  group = outer
}

function addTest(name: string, ...rest: unknown[]): void {
  const body = rest.find((one): one is Body => typeof one === 'function')
  if (body === undefined) throw new Error(`${name} has nothing to run`)
  const groups = groupsOf(group)
  const run = async (): Promise<void> => {
    finishing = []
    const problems: unknown[] = []
    const attempt = async (step: Body): Promise<void> => {
      try {
        await step()
      } catch (error) {
        problems.push(error)
      }
    }
    for (const step of groups.flatMap(({ before }) => before)) await attempt(step)
    if (problems.length === 0) await attempt(() => body({}))
    for (const step of finishing.splice(0).toReversed()) await attempt(step)
    for (const step of groups.toReversed().flatMap(({ after }) => after)) await attempt(step)
    if (problems.length > 0) throw problems[0]
  }
  tests.push({
    file,
    name: [...groups.map((one) => one.name), name].filter((one) => one !== '').join(' '),
    run,
  })
}

export const it = Object.assign(addTest, {
  each: (cases: readonly unknown[]) => {
    return (name: string, ...rest: unknown[]): void => {
      const body = rest.find((one): one is Body => typeof one === 'function')
      for (const [index, one] of cases.entries()) {
        const args: unknown[] = Array.isArray(one) ? one : [one]
        addTest(`${name} #${index}`, () => body?.(...args))
      }
    }
  },
  runIf: (condition: boolean) => (condition ? addTest : () => undefined),
})

/** Before the first test of the group. What is taken down after the last is left to the end of the process. */
export function beforeAll(body: Body): void {
  let done: unknown
  group.before.push(() => (done ??= Promise.resolve(body())))
}

export function afterAll(): void {
  // Nothing: there is no last test, each may be run again.
}

export function beforeEach(body: Body): void {
  group.before.push(body)
}

export function afterEach(body: Body): void {
  group.after.push(body)
}

export function onTestFinished(body: Body): void {
  finishing.push(body)
}

const waitLimitMs = 1000

export const vi = {
  fn: vitestVi.fn,
  spyOn: vitestVi.spyOn,
  restoreAllMocks: vitestVi.restoreAllMocks,
  waitFor: async <T>(look: () => T | Promise<T>, { timeout: timeoutMs = waitLimitMs } = {}): Promise<T> => {
    const untilMs = performance.now() + timeoutMs
    for (;;) {
      try {
        return await look()
      } catch (error) {
        if (performance.now() > untilMs) throw error
        await sleep(10)
      }
    }
  },
}

/** `expect.poll`: the matcher is asked again until it holds. */
function poll(look: () => unknown, options: { timeout?: number } = {}, isNegated = false): object {
  return new Proxy(
    {},
    {
      get: (_, matcher) => {
        if (matcher === 'not') return poll(look, options, !isNegated)
        return (...args: unknown[]) =>
          vi.waitFor(async () => {
            // oxlint-disable-next-line vitest/valid-expect -- the matcher has its name from the caller
            const assertion = expectNow(await look())
            const asked = isNegated ? assertion.not : assertion
            const match: unknown = Reflect.get(asked, matcher)
            if (typeof match === 'function') Reflect.apply(match, asked, args)
          }, options)
      },
    },
  )
}

export const expect = new Proxy(expectNow, {
  get: (target, name): unknown => (name === 'poll' ? poll : Reflect.get(target, name)),
})

function newGroup(outer: Group | undefined, name: string): Group {
  return { outer, name, before: [], after: [] }
}

function groupsOf(innermost: Group): Group[] {
  return innermost.outer === undefined ? [innermost] : [...groupsOf(innermost.outer), innermost]
}
