/** Which entries of a log were asked for. */
import type { Timestamp } from '../container.ts'
import { messageOf, OciError } from '../errors/index.ts'
import type { LogStream } from './log-entry.ts'
import { instantNs, instantOption } from './log-time.ts'

export interface SelectionOptions {
  /** No entries before this instant. */
  readonly since?: Timestamp | Date | undefined
  /** No entries at or after this instant; following ends when the clock has passed it. */
  readonly until?: Timestamp | Date | undefined
  /** Default: both. */
  readonly streams?: readonly LogStream[] | undefined
  /**
   * Only the last so many lines of what the other options select; a line in several parts counts once. Following goes on
   * after them. Default: all.
   */
  readonly tail?: number | undefined
}

export interface LogSelection {
  readonly sinceNs: bigint | undefined
  readonly untilNs: bigint | undefined
  readonly streams: ReadonlySet<string>
  readonly tail: number | undefined
}

/** Throws ERR_INVALID_ARGUMENT naming the field. */
export function logSelection({
  since,
  until,
  streams = ['stdout', 'stderr'],
  tail,
}: SelectionOptions): LogSelection {
  if (tail !== undefined && !(Number.isSafeInteger(tail) && tail >= 0)) {
    throw invalid('tail', `tail must be a whole number from 0 on, got ${messageOf(tail)}`)
  }
  const wrong = streams.find((stream) => stream !== 'stdout' && stream !== 'stderr')
  if (wrong !== undefined) {
    throw invalid('streams', `streams must be of stdout and stderr, got ${JSON.stringify(wrong)}`)
  }
  return {
    sinceNs: instantOption('since', since),
    untilNs: instantOption('until', until),
    streams: new Set(streams),
    tail,
  }
}

/** `tail` is no property of one entry: tail-start.ts. */
export function isSelected(
  { sinceNs, untilNs, streams }: LogSelection,
  { at, stream }: { readonly at: Timestamp; readonly stream: LogStream },
): boolean {
  if (!streams.has(stream)) return false
  if (sinceNs === undefined && untilNs === undefined) return true
  const instant = instantNs(at)
  // No calendar has such a day, but its line is there.
  if (instant === undefined) return true
  return (sinceNs === undefined || instant >= sinceNs) && (untilNs === undefined || instant < untilNs)
}

function invalid(field: string, message: string): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', message, { operation: 'readContainerLog', field })
}
