import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseSpecJson, specDepthMax, specJson, specValuesMax } from '../../src/bundle/spec-json.ts'
import { atOnce } from '../../src/surroundings/slices.ts'

const parse = (text: string): unknown => atOnce(parseSpecJson(text))
const write = (value: unknown, indent?: string): string => atOnce(specJson(value, indent))

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
/** As a spec has it that was read. */
const integers = fc.oneof(int64, uint64).map((value) => {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
})
const specs = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    integers,
    fc.string({ unit: 'binary' }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value')),
    fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), tie('value'), { noNullPrototype: true }),
  ),
}))

describe('the JSON of a specification', () => {
  it('keeps all integers of 64 bits', () => {
    fc.assert(
      fc.property(specs.value, (value) => {
        const text = write(value)
        const read = parse(text)
        expect(read).toEqual(value)
        expect(write(read)).toBe(text)
      }),
    )
  })

  it('is that of JSON.parse and JSON.stringify otherwise', () => {
    fc.assert(
      fc.property(fc.json({ noUnicodeString: false }), (text) => {
        const value: unknown = JSON.parse(text)
        const read = parse(text)
        expect(write(read)).toBe(JSON.stringify(value))
        expect(write(read, '  ')).toBe(JSON.stringify(value, undefined, 2))
      }),
    )
  })

  it('leaves out what JSON has no word for, as JSON.stringify does', () => {
    const value = {
      a: undefined,
      b: [undefined, () => 1, Symbol('s')],
      c: new Date(0),
      d: -0,
      e: () => 1,
      f: [],
      g: {},
      // oxlint-disable-next-line no-sparse-arrays
      h: [1, , 2],
    }
    expect(write(value, '  ')).toBe(JSON.stringify(value, undefined, 2))
  })

  it('is nothing else than JSON', () => {
    const texts = [
      '',
      ' ',
      '{',
      '[',
      '"',
      '"\\',
      '"\\u12"',
      '"\\x"',
      '"a\nb"',
      '"\u0000"',
      'nul',
      'undefined',
      '01',
      '1.',
      '.5',
      '+1',
      '-',
      '1e',
      '0x1',
      'NaN',
      'Infinity',
      '1 2',
      '[1,]',
      '[,1]',
      '{"a":1,}',
      '{a:1}',
      '{"a"}',
      '{"a" 1}',
      '[1}',
      '{]',
      "'a'",
      '[1]x',
      '//',
      '\ufeff{}',
      '\u00a0{}',
      '{"a":1 "b":2}',
    ]
    for (const text of texts) {
      expect(() => JSON.parse(text) as unknown, text).toThrow(SyntaxError)
      expect(() => parse(text), text).toThrow(SyntaxError)
    }
  })

  it('is broken by any change that breaks it for JSON.parse', () => {
    const whole = '{"a\\u00e9":[1,-2.5e3,true,null,"x\\n"],"b":{"c":{}}}'
    const change = fc.record({ at: fc.nat(whole.length - 1), by: fc.string({ maxLength: 2 }) })
    fc.assert(
      fc.property(change, ({ at, by }) => {
        const text = whole.slice(0, at) + by + whole.slice(at + 1)
        expect(outcome(() => write(parse(text)))).toBe(outcome(() => JSON.stringify(JSON.parse(text))))
      }),
      { numRuns: 1000 },
    )
  })

  it('may have strings of any length', () => {
    const texts = [
      'x'.repeat(300_000),
      '\\"\u00e9'.repeat(100_000),
      '\u0001'.repeat(70_000),
      '😀'.repeat(70_000),
    ]
    for (const text of [...texts, ...texts.map((each) => `x${each}`)]) {
      expect(parse(JSON.stringify(text))).toBe(text)
      expect(write(text)).toBe(JSON.stringify(text))
    }
  })

  it('has limits of depth and number', () => {
    expect(write(parse(nested(specDepthMax)))).toBe(nested(specDepthMax))
    expect(() => parse(nested(specDepthMax + 1))).toThrow(RangeError)
    expect(() => parse(nested(20_000))).toThrow(RangeError)
    expect(() => parse('{"a":'.repeat(20_000))).toThrow(RangeError)
    expect(parse(list(specValuesMax - 1))).toHaveLength(specValuesMax - 1)
    expect(() => parse(list(specValuesMax))).toThrow(RangeError)
    const circle: { self?: object } = {}
    circle.self = circle
    expect(() => write(circle)).toThrow(RangeError)
  })
})

function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth)
}

function list(length: number): string {
  return JSON.stringify(Array(length).fill(0))
}

function outcome(work: () => string): string {
  try {
    return work()
  } catch (error) {
    return error instanceof SyntaxError ? 'SyntaxError' : String(error)
  }
}
