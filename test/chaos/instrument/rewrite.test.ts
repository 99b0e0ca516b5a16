import { describe, expect, it } from 'vitest'
import { rewrite } from './rewrite.ts'

const substitutes = { points: 'chaos:points', modules: { 'node:fs': 'chaos:fs' } }

function rewritten(source: string) {
  const { code, points } = rewrite(source, 'place', substitutes)
  return { code: code.replace(/^import[^;]*;/, ''), points }
}

/** Runs the body of an async function, and tells its result and the passages. */
async function run(body: string): Promise<{ result: unknown; passages: string[] }> {
  const passages: string[] = []
  const code = rewritten(`async function f() {\n${body}\n}`).code
  const before = (point: string): void => void passages.push(`${point}<`)
  const after = (point: string, value: unknown): unknown => {
    passages.push(`${point}>`)
    return value
  }
  // oxlint-disable-next-line typescript/no-implied-eval -- what is tested is a program
  const make = new Function('__before', '__after', `${code}\nreturn f()`)
  const result: unknown = await Reflect.apply(make, undefined, [before, after])
  return { result, passages }
}

describe('rewritten code', () => {
  it('passes its points before and after each await, and has the same result', async () => {
    const { result, passages } = await run('const a = await 1\nreturn a + (await Promise.resolve(2))')
    expect(result).toBe(3)
    expect(passages).toEqual(['place:f:1<', 'place:f:1>', 'place:f:2<', 'place:f:2>'])
  })

  it('does not pass the second edge of what rejects', async () => {
    const { passages } = await run(`try { await Promise.reject(new Error('no')) } catch {}`)
    expect(passages).toEqual(['place:f:1<'])
  })

  it('does not take an await that begins a line for the arguments of the line before', async () => {
    const { result } = await run('const list = [1]\nconst last = list\nawait 0\nreturn last')
    expect(result).toEqual([1])
  })

  it('leaves statements without braces as they are', async () => {
    const { result } = await run('let n = 0\nif (n) await 1\nelse n = await 2\nreturn n')
    expect(result).toBe(2)
  })

  it('passes a point in each round of a for await, with and without braces', async () => {
    const loops = 'for await (const n of [1, 2]) sum += n\nfor await (const n of [3]) { sum += n }'
    const { result, passages } = await run(`let sum = 0\n${loops}\nreturn sum`)
    expect(result).toBe(6)
    expect(passages).toEqual(['place:f:1>', 'place:f:1>', 'place:f:2>'])
  })

  it('names points by the function that has a name', () => {
    const source = `class A {
      async #secret(): Promise<void> { await 1 }
      get = async (): Promise<number> => await 2
    }
    const later = async (): Promise<void> => { [1].map(async () => await 3) }
    await 4`
    expect(rewritten(source).points).toEqual([
      'place:secret:1',
      'place:get:1',
      'place:later:1',
      'place:module:1',
    ])
  })

  it('imports its siblings as scripts and the file layer in place of the real one', () => {
    const { code } = rewritten(
      `import { a } from './a.ts'\nimport { open } from 'node:fs'\nexport * from './b.ts'`,
    )
    expect(code).toBe(`import { a } from "./a.js"\nimport { open } from "chaos:fs"\nexport * from "./b.js"`)
  })

  it('keeps its lines', () => {
    const source = 'interface A {\n  b: string\n}\nconst f = async (a: A) =>\n  await a.b\n'
    expect(rewritten(source).code.split('\n')).toHaveLength(source.split('\n').length)
  })
})
