/**
 * The JSON of OCI specifications, read and written so that no integer changes: engines write RLIM_INFINITY as
 * 18446744073709551615, which is no `number`. What a `number` cannot hold is a `bigint`; everything else is as with
 * JSON.parse and JSON.stringify.
 *
 * A specification has in it what a tenant chooses (environment, arguments, annotations). So both are stepwise, and depth and
 * number of values have limits, which also keep the recursion from overflowing the stack.
 */
import type { Stepwise } from '../surroundings/slices.ts'

/** The deepest place of the specification is eight levels down. */
export const specDepthMax = 100
/** Each string, number, list and object is one. Specs have some thousand, with the largest seccomp profiles. */
export const specValuesMax = 65_536

export const tooDeep = `is nested deeper than ${specDepthMax} levels`
export const tooManyValues = `has more than ${specValuesMax} values`

const valuesPerStep = 256
const charactersPerStep = 65_536
/** No integer of the specification has more than 20. */
const numberMaxLength = 100

const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const blanksPattern = /[ \t\n\r]*/y
const quote = 0x22
const backslash = 0x5c
const letterU = 0x75
const firstPrintable = 0x20

/** The value that `text` states. Throws SyntaxError, and RangeError with {@link tooDeep} or {@link tooManyValues}. */
export function* parseSpecJson(text: string): Stepwise<unknown> {
  const reader = new Reader(text)
  const value = yield* reader.value(0)
  reader.expectEnd()
  return value
}

class Reader {
  readonly #text: string
  #at = 0
  #valuesCount = 0

  constructor(text: string) {
    this.#text = text
  }

  *value(depth: number): Stepwise<unknown> {
    this.#valuesCount += 1
    if (this.#valuesCount > specValuesMax) throw new RangeError(tooManyValues)
    if (this.#valuesCount % valuesPerStep === 0) yield
    switch (this.#next()) {
      case '{':
        return yield* this.#object(depth + 1)
      case '[':
        return yield* this.#list(depth + 1)
      case '"':
        return yield* this.#string()
      case 't':
        return this.#word('true', true)
      case 'f':
        return this.#word('false', false)
      case 'n':
        return this.#word('null', null)
      default:
        return this.#number()
    }
  }

  expectEnd(): void {
    if (this.#next() !== '') throw this.#wrong()
  }

  *#object(depth: number): Stepwise<unknown> {
    if (depth > specDepthMax) throw new RangeError(tooDeep)
    const object: Record<string, unknown> = {}
    this.#at += 1
    if (this.#skip('}')) return object
    do {
      if (this.#next() !== '"') throw this.#wrong()
      const key = yield* this.#string()
      if (!this.#skip(':')) throw this.#wrong()
      const value = yield* this.value(depth)
      // By assignment this one would be the object's prototype.
      if (key === '__proto__')
        Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
      else object[key] = value
    } while (this.#skip(','))
    if (!this.#skip('}')) throw this.#wrong()
    return object
  }

  *#list(depth: number): Stepwise<unknown> {
    if (depth > specDepthMax) throw new RangeError(tooDeep)
    const list: unknown[] = []
    this.#at += 1
    if (this.#skip(']')) return list
    do list.push(yield* this.value(depth))
    while (this.#skip(','))
    if (!this.#skip(']')) throw this.#wrong()
    return list
  }

  /** In pieces, each of them a step: JSON.parse alone would hold up the loop with a long one. */
  *#string(): Stepwise<string> {
    const text = this.#text
    let value = ''
    let begin = this.#at + 1
    let at = begin
    let hasEscapes = false
    for (;;) {
      const code = text.charCodeAt(at)
      if (code === quote) break
      // The end of the text is NaN.
      if (!(code >= firstPrintable)) throw this.#wrong(at)
      hasEscapes ||= code === backslash
      at += code !== backslash ? 1 : text.charCodeAt(at + 1) === letterU ? 6 : 2
      if (at - begin < charactersPerStep) continue
      value += this.#piece(begin, at, hasEscapes)
      begin = at
      hasEscapes = false
      yield
    }
    this.#at = at + 1
    return value + this.#piece(begin, at, hasEscapes)
  }

  #piece(begin: number, end: number, hasEscapes: boolean): string {
    const piece = this.#text.slice(begin, end)
    return hasEscapes ? String(JSON.parse(`"${piece}"`)) : piece
  }

  #number(): number | bigint {
    numberPattern.lastIndex = this.#at
    const text = numberPattern.exec(this.#text)?.[0]
    if (text === undefined || text.length > numberMaxLength) throw this.#wrong()
    this.#at += text.length
    const value = Number(text)
    return Number.isSafeInteger(value) || !/^-?\d+$/.test(text) ? value : BigInt(text)
  }

  #word<Value>(word: string, value: Value): Value {
    if (!this.#text.startsWith(word, this.#at)) throw this.#wrong()
    this.#at += word.length
    return value
  }

  /** The next character that is no blank; '' at the end. */
  #next(): string {
    const code = this.#text.charCodeAt(this.#at)
    if (code <= firstPrintable) {
      blanksPattern.lastIndex = this.#at
      blanksPattern.test(this.#text)
      this.#at = blanksPattern.lastIndex
    }
    return this.#text.charAt(this.#at)
  }

  #skip(character: string): boolean {
    if (this.#next() !== character) return false
    this.#at += 1
    return true
  }

  #wrong(at = this.#at): SyntaxError {
    const found = at < this.#text.length ? JSON.stringify(this.#text.slice(at, at + 10)) : 'the end'
    return new SyntaxError(`${found} at character ${at} is no JSON`)
  }
}

/** The JSON text of plain data; `indent` as with JSON.stringify. Throws RangeError with {@link tooDeep}. */
export function* specJson(value: unknown, indent = ''): Stepwise<string> {
  const output: Output = { parts: [], joined: [] }
  yield* write(value, indent === '' ? undefined : { indent, newline: '\n' }, output, 1)
  join(output)
  return output.joined.join('')
}

/** In two steps: to join all parts at once would be a long one. */
interface Output {
  readonly parts: string[]
  readonly joined: string[]
}

function join({ parts, joined }: Output): void {
  joined.push(parts.join(''))
  parts.length = 0
}

interface Layout {
  readonly indent: string
  /** A line feed, and the blanks that the present level begins with. */
  readonly newline: string
}

function* write(
  given: unknown,
  layout: Layout | undefined,
  output: Output,
  depth: number,
): Stepwise<undefined> {
  const { parts } = output
  const value = asData(given)
  if (typeof value === 'string' && value.length > charactersPerStep) {
    yield* writeLong(value, parts)
    return
  }
  if (typeof value !== 'object' || value === null) {
    parts.push(scalarJson(value))
    return
  }
  if (depth > specDepthMax) throw new RangeError(tooDeep)
  const isList = Array.isArray(value)
  const inner = layout === undefined ? undefined : { ...layout, newline: layout.newline + layout.indent }
  let isFirst = true
  parts.push(isList ? '[' : '{')
  for (const [key, each] of isList ? value.entries() : Object.entries<unknown>({ ...value })) {
    if (!isList && isLeftOut(each)) continue
    if (!isFirst) parts.push(',')
    isFirst = false
    if (inner !== undefined) parts.push(inner.newline)
    if (typeof key === 'string') parts.push(JSON.stringify(key), inner === undefined ? ':' : ': ')
    yield* write(each, inner, output, depth + 1)
    if (parts.length < valuesPerStep) continue
    join(output)
    yield
  }
  if (layout !== undefined && !isFirst) parts.push(layout.newline)
  parts.push(isList ? ']' : '}')
}

function* writeLong(value: string, parts: string[]): Stepwise<undefined> {
  parts.push('"')
  for (let at = 0; at < value.length; yield) {
    // Never between the two halves of a character.
    const end = at + charactersPerStep + (isSecondHalf(value.charCodeAt(at + charactersPerStep)) ? 1 : 0)
    parts.push(JSON.stringify(value.slice(at, end)).slice(1, -1))
    at = end
  }
  parts.push('"')
}

function isSecondHalf(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff
}

/** A Date, for example, is written as what its `toJSON` says. */
function asData(value: unknown): unknown {
  const toJson: unknown =
    typeof value === 'object' && value !== null && 'toJSON' in value ? value.toJSON : undefined
  return typeof toJson === 'function' ? (toJson.call(value) as unknown) : value
}

/** What JSON has no word for is left out of an object, and null in a list. */
function isLeftOut(value: unknown): boolean {
  return value === undefined || typeof value === 'function' || typeof value === 'symbol'
}

function scalarJson(value: unknown): string {
  if (typeof value === 'bigint') return value.toString()
  return isLeftOut(value) ? 'null' : JSON.stringify(value)
}
