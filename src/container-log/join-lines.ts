/** Puts the parts of long lines together. */
import { checkOptionsObject, messageOf, OciError, publicCall } from '../errors/index.ts'
import type { LogEntry, LogRecord, LogStream } from './log-entry.ts'

export interface JoinLinesOptions {
  /** A longer line comes in parts of at least this size, all but the last marked as partial. Default 256 KiB. */
  readonly lineMaxBytes?: number | undefined
}

const lineDefaultMaxBytes = 256 * 1024

/**
 * Whole lines from entries in any portions: the parts of a line become one entry with the time of the first. A line whose
 * end never came is handed on at the end of the entries, or before the place where lines were lost, marked as partial. Throws ERR_INVALID_ARGUMENT for
 * `lineMaxBytes` below 1.
 */
export function joinLogLines(
  entries: AsyncIterable<LogRecord>,
  options: JoinLinesOptions = {},
): AsyncIterableIterator<LogRecord> {
  return publicCall({ operation: 'joinLogLines' }, () => {
    checkOptionsObject(options, 'joinLogLines')
    return joinLines(entries, options)
  })
}

function joinLines(
  entries: AsyncIterable<LogRecord>,
  { lineMaxBytes = lineDefaultMaxBytes }: JoinLinesOptions,
): AsyncIterableIterator<LogRecord> {
  if (typeof lineMaxBytes !== 'number' || !(lineMaxBytes >= 1)) {
    const message = `lineMaxBytes must be at least 1, got ${messageOf(lineMaxBytes)}`
    throw new OciError('ERR_INVALID_ARGUMENT', message, { operation: 'joinLogLines', field: 'lineMaxBytes' })
  }
  const source = entries[Symbol.asyncIterator]()
  const lines = joined({ [Symbol.asyncIterator]: () => source }, lineMaxBytes)
  return {
    next: () => lines.next(),
    return: async () => {
      // The source first: the generator may be waiting for it.
      await source.return?.()
      return lines.return(undefined)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

async function* joined(
  entries: AsyncIterable<LogRecord>,
  lineMaxBytes: number,
): AsyncGenerator<LogRecord, undefined> {
  const open = new Map<LogStream, Line>()
  for await (const entry of entries) {
    if (entry.type === 'lost') {
      // Their ends are among what was lost.
      for (const [stream, line] of open) yield entryOf(stream, line, true)
      open.clear()
      yield entry
      continue
    }
    const line = open.get(entry.stream) ?? { at: entry.at, parts: [], sizeBytes: 0 }
    line.parts.push(entry.content)
    line.sizeBytes += entry.content.length
    if (entry.partial && line.sizeBytes < lineMaxBytes) {
      open.set(entry.stream, line)
    } else {
      open.delete(entry.stream)
      yield entryOf(entry.stream, line, entry.partial)
    }
  }
  for (const [stream, line] of open) yield entryOf(stream, line, true)
  return undefined
}

interface Line {
  readonly at: LogEntry['at']
  readonly parts: Buffer[]
  sizeBytes: number
}

function entryOf(stream: LogStream, { at, parts }: Line, partial: boolean): LogEntry {
  return { at, stream, partial, content: Buffer.concat(parts) }
}
