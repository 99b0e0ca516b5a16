import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { joinLogLines, type LogEntry, type LogRecord, type LogStream } from '../../src/container-log/index.ts'
import { allOf, entriesOf } from '../support/log-entries.ts'

const at = '2026-11-23T13:03:21.000000000Z'

function entry(stream: LogStream, partial: boolean, text: string, time = at): LogEntry {
  return { at: time, stream, partial, content: Buffer.from(text) }
}

async function* from(entries: readonly LogRecord[]): AsyncGenerator<LogRecord> {
  yield* entries
}

async function joinEntries(entries: readonly LogEntry[], lineMaxBytes: number): Promise<LogEntry[]> {
  return allOf(entriesOf(joinLogLines(from(entries), { lineMaxBytes })))
}

async function join(entries: readonly LogRecord[], lineMaxBytes?: number): Promise<LogRecord[]> {
  const lines: LogRecord[] = []
  for await (const line of joinLogLines(from(entries), { lineMaxBytes })) lines.push(line)
  return lines
}

describe('joinLogLines', () => {
  it('puts the parts of both streams together, each with the time of its first part', async () => {
    const later = '2026-11-23T13:03:22.000000000Z'
    const parts = [
      entry('stdout', true, 'a'),
      entry('stderr', true, 'x'),
      entry('stdout', false, 'b', later),
      entry('stderr', false, '', later),
    ]
    expect(await join(parts)).toEqual([entry('stdout', false, 'ab'), entry('stderr', false, 'x')])
  })

  it('hands on at the end what has no end', async () => {
    expect(await join([entry('stdout', true, 'a')])).toEqual([entry('stdout', true, 'a')])
  })

  it('hands on the lines without an end before the place where lines were lost', async () => {
    const lost = { type: 'lost', lostBytes: 7 } as const
    const parts = [entry('stdout', true, 'a'), entry('stderr', true, 'x'), lost, entry('stdout', false, 'b')]
    expect(await join(parts)).toEqual([
      entry('stdout', true, 'a'),
      entry('stderr', true, 'x'),
      lost,
      entry('stdout', false, 'b'),
    ])
  })

  it('loses no byte and keeps no more than the limit and one part', async () => {
    const part = fc.record({ partial: fc.boolean(), text: fc.string({ maxLength: 30 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(part), fc.integer({ min: 1, max: 50 }), async (parts, lineMaxBytes) => {
        const entries = parts.map(({ partial, text }) => entry('stdout', partial, text))
        const lines = await joinEntries(entries, lineMaxBytes)
        expect(Buffer.concat(lines.map(({ content }) => content))).toEqual(
          Buffer.concat(entries.map(({ content }) => content)),
        )
        expect(lines.filter(({ partial }) => !partial)).toHaveLength(
          parts.filter(({ partial }) => !partial).length,
        )
        for (const { content } of lines) expect(content.length).toBeLessThan(lineMaxBytes + 4 * 30)
      }),
    )
  })

  it('refuses a limit below one byte', () => {
    expect(() => joinLogLines(from([]), { lineMaxBytes: 0 })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'lineMaxBytes' }),
    )
  })

  it('ends its source at once when its reader leaves', async () => {
    let left = false
    const never: AsyncIterableIterator<LogEntry> = {
      next: () => new Promise(() => undefined),
      return: () => {
        left = true
        return Promise.resolve({ done: true, value: undefined })
      },
      [Symbol.asyncIterator]: () => never,
    }
    await joinLogLines(never).return?.()
    expect(left).toBe(true)
  })
})
