import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { joinLogLines, type LogEntry, type LogStream } from '../../../../src/container-log/index.ts'
import { LogParser } from '../../../../src/container-log/parse-log.ts'
import { contentBytesOf, endsOpen, lineEnd, logLines } from '../../../../src/impl/vm/streams/log-lines.ts'
import { LogStamps } from '../../../../src/impl/vm/streams/log-stamp.ts'
import { entriesOf } from '../../../support/log-entries.ts'

const stamp = '2026-11-23T13:03:21.123456789+00:00'

function parse(log: Buffer): LogEntry[] {
  const parser = new LogParser()
  return [...parser.push(log), ...parser.end()].map(({ entry, defect }) => {
    if (entry === undefined) throw new Error(`no entry: ${defect?.kind}`)
    return entry
  })
}

async function joined(entries: readonly LogEntry[], stream: LogStream): Promise<Buffer> {
  async function* source() {
    yield* entries
  }
  const lines: Buffer[] = []
  for await (const line of entriesOf(joinLogLines(source(), { lineMaxBytes: Infinity }))) {
    if (line.stream === stream) lines.push(line.content, Buffer.from(line.partial ? '' : '\n'))
  }
  return Buffer.concat(lines)
}

const chunkArbitrary = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)) },
      fc.integer({ min: 8180, max: 8200 }).map((sizeBytes) => Buffer.alloc(sizeBytes, 'x')),
      fc.constant(Buffer.from('\n')),
    ),
    { maxLength: 6 },
  )
  .map((parts) => Buffer.concat(parts))
  .filter((chunk) => chunk.length > 0)

describe('the lines of a log', () => {
  it('give their reader what the container wrote, byte for byte, however it came', async () => {
    const output = fc.record({
      stream: fc.constantFrom<LogStream>('stdout', 'stderr'),
      chunk: chunkArbitrary,
    })
    await fc.assert(
      fc.asyncProperty(fc.array(output, { maxLength: 8 }), async (outputs) => {
        const log = Buffer.concat(outputs.map(({ stream, chunk }) => logLines(stamp, stream, chunk)))
        const entries = parse(log)
        for (const name of ['stdout', 'stderr'] as const) {
          const written = outputs.filter(({ stream }) => stream === name).map(({ chunk }) => chunk)
          expect(await joined(entries, name)).toEqual(Buffer.concat(written))
        }
        expect(entries.every(({ at, content }) => at === stamp && content.length <= 8192)).toBe(true)
      }),
    )
  })

  it('say how much of the output they are, and whether they end within a line', () => {
    fc.assert(
      fc.property(chunkArbitrary, (chunk) => {
        const lines = logLines(stamp, 'stderr', chunk)
        expect(contentBytesOf(lines)).toBe(chunk.length)
        expect(endsOpen(lines)).toBe(chunk.at(-1) !== 10)
      }),
    )
  })

  it("look as conmon's do", () => {
    const text = logLines(stamp, 'stdout', Buffer.from('a\n\nb')).toString()
    expect(text).toBe(`${stamp} stdout F a\n${stamp} stdout F \n${stamp} stdout P b\n`)
    expect(lineEnd(stamp, 'stderr').toString()).toBe(`${stamp} stderr F \n`)
  })
})

describe('stamps', () => {
  it('have nine decimals and the local offset, and always the same length', () => {
    const stamps = new LogStamps()
    const date = new Date('2026-01-02T03:04:05.006Z')
    const first = stamps.next(date.getTime(), 1_000_000n)
    expect(new Date(first).getTime()).toBe(date.getTime())
    expect(first).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:05\.006000000[+-]\d\d:\d\d$/)
    expect(stamps.next(date.getTime(), 1_000_001n)).toBe(first.replace('.006000000', '.006000001'))
  })

  it('never go back while the wall clock does not, and follow it when it is set', () => {
    const stamps = new LogStamps()
    const startMs = Date.parse('2026-01-02T03:04:05Z')
    const within = [0, 0, 1, 1, 3].map((ms, index) => stamps.next(startMs + ms, BigInt(index) * 1_000_000n))
    expect(within.toSorted()).toEqual(within)
    expect(new Date(stamps.next(startMs - 3_600_000, 5_000_000n)).getTime()).toBe(startMs - 3_600_000)
  })

  it('have an offset of whole minutes where there is a half hour, west of Greenwich too', () => {
    const zone = process.env['TZ']
    try {
      for (const [name, text] of [
        ['Asia/Kolkata', '2026-01-01T05:30:00.000000000+05:30'],
        ['America/St_Johns', '2025-12-31T20:30:00.000000000-03:30'],
      ]) {
        process.env['TZ'] = name
        expect(new LogStamps().next(Date.parse('2026-01-01T00:00:00Z'), 0n)).toBe(text)
      }
    } finally {
      if (zone === undefined) delete process.env['TZ']
      else process.env['TZ'] = zone
    }
  })
})
