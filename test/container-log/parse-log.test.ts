import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LogDefect, LogEntry } from '../../src/container-log/index.ts'
import { LogParser, parseHead, pieceMaxBytes } from '../../src/container-log/parse-log.ts'

const at = '2026-11-23T13:03:21.123456789+00:00'

function parse(chunks: readonly Buffer[]): {
  entries: LogEntry[]
  defects: LogDefect[]
  holes: (number | undefined)[]
  offsets: number[]
} {
  const parser = new LogParser()
  const parsed = [...chunks.flatMap((chunk) => [...parser.push(chunk)]), ...parser.end()]
  return {
    entries: parsed.flatMap(({ entry }) => (entry === undefined ? [] : [entry])),
    defects: parsed.flatMap(({ defect }) => (defect === undefined ? [] : [defect])),
    holes: parsed.flatMap((one) => ('lost' in one ? [one.lost.lostBytes] : [])),
    offsets: parsed.flatMap((one) => (one.entry === undefined ? [] : [one.offsetBytes])),
  }
}

function lineOf({ stream, partial, content }: LogEntry): Buffer {
  return Buffer.concat([Buffer.from(`${at} ${stream} ${partial ? 'P' : 'F'} `), content, Buffer.from('\n')])
}

const noNewline = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes.map((byte) => (byte === 10 ? 13 : byte))))

const entryArbitrary: fc.Arbitrary<LogEntry> = fc.record({
  at: fc.constant(at),
  stream: fc.constantFrom('stdout', 'stderr'),
  partial: fc.boolean(),
  content: noNewline(40),
})

/** The bytes, cut at any places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted(
    (a, b) => a - b,
  )
  return ends.slice(1).map((end, index) => bytes.subarray(ends[index], end))
}

describe('LogParser', () => {
  it('gives back any entries, however their bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(entryArbitrary), fc.array(fc.nat(), { maxLength: 20 }), (entries, places) => {
        const lines = entries.map(lineOf)
        const parsed = parse(cut(Buffer.concat(lines), places))
        expect(parsed.entries).toEqual(entries)
        expect(parsed.defects).toEqual([])
        const starts = lines.map((_, index) => Buffer.concat(lines.slice(0, index)).length)
        expect(parsed.offsets).toEqual(starts)
      }),
    )
  })

  it('finds the entries between lines of garbage, however their bytes are cut', () => {
    // Zeros at its beginning are a hole.
    const garbage = noNewline(300).filter((bytes) => parseHead(bytes) === undefined && bytes[0] !== 0)
    const line = fc.oneof(entryArbitrary, garbage)
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(), { maxLength: 20 }), (lines, places) => {
        const bytes = lines.map((one) =>
          Buffer.isBuffer(one) ? Buffer.concat([one, Buffer.from('\n')]) : lineOf(one),
        )
        const parsed = parse(cut(Buffer.concat(bytes), places))
        expect(parsed.entries).toEqual(lines.filter((one) => !Buffer.isBuffer(one)))
        expect(parsed.defects).toEqual(
          lines
            .filter((one) => Buffer.isBuffer(one))
            .map((one) => ({ kind: 'format', bytes: one.subarray(0, 256) })),
        )
      }),
    )
  })

  it('tells of holes of zeros before lines, and parses the lines, however their bytes are cut', () => {
    const holeBytes = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 60_000, max: 140_000 }))
    fc.assert(
      fc.property(
        fc.array(fc.tuple(holeBytes, entryArbitrary), { minLength: 1, maxLength: 3 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (lines, places) => {
          const bytes = lines.flatMap(([zeroBytes, entry]) => [Buffer.alloc(zeroBytes), lineOf(entry)])
          const parsed = parse(cut(Buffer.concat([...bytes, Buffer.alloc(5)]), places))
          expect(parsed.entries).toEqual(lines.map(([, entry]) => entry))
          expect(parsed.holes).toEqual([...lines.map(([zeroBytes]) => zeroBytes), 5])
          expect(parsed.defects).toEqual([])
        },
      ),
      { numRuns: 30 },
    )
  })

  it('parses a first line behind a byte order mark', () => {
    const entry: LogEntry = { at, stream: 'stdout', partial: false, content: Buffer.from('a') }
    const bytes = Buffer.concat([Buffer.from('\uFEFF'), lineOf(entry)])
    expect(parse([bytes.subarray(0, 2), bytes.subarray(2)])).toMatchObject({ entries: [entry], defects: [] })
  })

  it('survives any bytes at all', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 500 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (bytes, places) => {
          expect(parse(cut(Buffer.from(bytes), places))).toEqual(parse([Buffer.from(bytes)]))
        },
      ),
    )
  })

  it('hands on a line that is too long in parts, and the next line whole', () => {
    const content = Buffer.alloc(5 * pieceMaxBytes + 7, 'x')
    const long = lineOf({ at, stream: 'stderr', partial: false, content })
    const chunks = Array.from({ length: Math.ceil(long.length / 1000) }, (_, index) =>
      long.subarray(index * 1000, (index + 1) * 1000),
    )
    const next = { at, stream: 'stdout', partial: false, content: Buffer.from('next') } as const
    const { entries, offsets } = parse([...chunks, lineOf(next)])
    expect(entries.at(-1)).toEqual(next)
    const parts = entries.slice(0, -1)
    expect(Buffer.concat(parts.map((part) => part.content)).equals(content)).toBe(true)
    expect(parts.map(({ partial }) => partial)).toEqual([...parts.slice(1).map(() => true), false])
    expect(Math.max(...parts.map((part) => part.content.length))).toBeLessThan(2 * pieceMaxBytes)
    expect(new Set(offsets.slice(0, -1))).toEqual(new Set([0]))
    expect(offsets.at(-1)).toBe(long.length)
  })

  it('reports garbage without an end once and keeps none of it', () => {
    const chunk = Buffer.alloc(10_000, 'x')
    const { entries, defects } = parse(Array.from({ length: 100 }, () => chunk))
    expect(entries).toEqual([])
    expect(defects).toEqual([{ kind: 'format', bytes: Buffer.alloc(256, 'x') }])
  })

  it.each([
    ['a line without its end', `${at} stdout F hel`, [{ content: 'hel', partial: true }], []],
    ['a torn head', `${at} stdo`, [], ['torn']],
    ['an empty line', `${at} stdout F \n`, [{ content: '', partial: false }], []],
    ['an empty line without its blank', `${at} stdout F\n`, [{ content: '', partial: false }], []],
    ['further tags', `${at} stdout P:x:y text\n`, [{ content: 'text', partial: true }], []],
    ['blanks in the content', `${at} stdout F  a b \n`, [{ content: ' a b ', partial: false }], []],
    ['an unknown stream', `${at} stdin F text\n`, [], ['format']],
    ['an unknown tag', `${at} stdout Full text\n`, [], ['format']],
    ['no time', `yesterday stdout F text\n`, [], ['format']],
    ['an empty line of the file', `\n`, [], ['format']],
  ])('knows %s', (_, text, entries, defects) => {
    const parsed = parse([Buffer.from(text)])
    expect(parsed.entries).toEqual(
      entries.map(({ content, partial }) => ({
        at,
        stream: 'stdout',
        partial,
        content: Buffer.from(content),
      })),
    )
    expect(parsed.defects.map(({ kind }) => kind)).toEqual(defects)
  })
})
