import { describe, expect, it } from 'vitest'
import { mutate } from './mutated-source.ts'
import { seededMutants } from './seeded.ts'

function changesOf(source: string, file = 'src/actors/some.ts'): string[] {
  return mutate(source, file, 0, 'switch').mutants.map(({ within, change }) => `${within}: ${change}`)
}

/** A module that switches one mutant on. */
function on(number: number): string {
  return `data:text/javascript,export const isOn = (n) => n === ${number}`
}

describe('the mutants of a source', () => {
  it('are its conditions, comparisons and defaults, each by the function that it is in', () => {
    const source = `export function f(a: number, b?: number) {\n  if (a < 1) return b ?? 2\n}\n`
    expect(changesOf(source)).toEqual([
      'f: a < 1 → true',
      'f: a < 1 → false',
      'f: a < 1 → a <= 1',
      'f: a < 1 → a >= 1',
      'f: b ?? 2 → b',
      'f: b ?? 2 → 2',
      'f: b ?? 2 → undefined',
    ])
  })

  it('are what may be left out: statements, awaits, links; but not what is only logged', () => {
    const source = `export const f = async (a: A, log: Logger) => {\n  await a?.go()\n  log.warn({}, 'gone')\n}\n`
    expect(changesOf(source)).toEqual([
      `f: { await a?.go() log.warn({}, 'gone') } → {}`,
      'f: await a?.go() → nothing',
      'f: await a?.go() → a?.go()',
      'f: a?.go() → a.go()',
    ])
  })

  it('are the guards, actions, targets and edges of a chart', () => {
    const source = `const s = chart({ on: { go: { guard: 'may', target: 'there', actions: ['one', 'two'] } } })\n`
    expect(changesOf(source, 'src/machines/container.live.ts')).toEqual([
      `s: go: { guard: 'may', target: 'there', actions: ['one', 'two'] } → nothing`,
      `s: guard: 'may' → nothing`,
      `s: target: 'there' → nothing`,
      `s: actions: ['one', 'two'] → nothing`,
      `s: 'one' → nothing`,
      `s: 'two' → nothing`,
    ])
  })

  it('are all in one source, which does what it did as long as none is on', async () => {
    const source = [
      'export const log: string[] = []',
      'export function f(list: number[]): number {',
      '  let sum = 0',
      '  for (const each of list) if (each > 1) sum += each',
      '  else log.push("small")',
      '  ;[1].forEach(() => log.push("end"))',
      '  return list.filter((one) => one > 0).length > 1 ? sum : -1',
      '}',
      'export const result = f([1, 2, 3])',
    ].join('\n')
    const load = async (number: number): Promise<unknown> => {
      const { code } = mutate(source, 'src/actors/some.ts', 0, on(number))
      const module: unknown = await import(`data:text/javascript,${encodeURIComponent(code)}`)
      return typeof module === 'object' && module !== null && 'result' in module ? module.result : undefined
    }
    expect(await load(-1)).toBe(5)
    const { mutants } = mutate(source, 'src/actors/some.ts', 0, on(-1))
    const minus = mutants.findIndex(({ change }) => change === 'sum += each → sum -= each')
    expect(await load(minus)).toBe(-5)
  })
})

describe('the mutants seeded by hand', () => {
  it('are twenty at least, each by a name of its own', () => {
    const names = new Set(seededMutants.map(({ name }) => name))
    expect(names.size).toBe(seededMutants.length)
    expect(names.size).toBeGreaterThanOrEqual(20)
  })
})
