/** What a container's log consists of. */
import type { Timestamp } from '../container.ts'

export type LogStream = 'stdout' | 'stderr'

/** One piece of output as the monitor wrote it: a line, or a part of one. */
export interface LogEntry {
  /** Only {@link LostLog} has one. */
  readonly type?: undefined
  /** When the monitor read it, as it stands in the file. */
  readonly at: Timestamp
  readonly stream: LogStream
  /** True when the line goes on in the next entry of this stream, or its end never came. */
  readonly partial: boolean
  /** As the container wrote it, without the newline: any bytes, NUL and invalid UTF-8 included. */
  readonly content: Buffer
}

/**
 * Stands where lines are missing: nobody can read them any more. Those before and after it are complete.
 *
 * A log that was emptied in its place, and one whose files were replaced faster than anybody could see, may have lost
 * lines or not; that cannot be told from outside, so it is said.
 */
export interface LostLog {
  readonly type: 'lost'
  /** How much of the file nobody can read any more; undefined when that cannot be known, and then it may be nothing. */
  readonly lostBytes: number | undefined
}

/** What a log is read as. */
export type LogRecord = LogEntry | LostLog

/** Something in a log that is no entry and was passed over. */
export interface LogDefect {
  /** `format`: a whole line that is no entry. `torn`: the file ends within the head of an entry. */
  readonly kind: 'format' | 'torn'
  /** Its beginning, at most 256 bytes. */
  readonly bytes: Buffer
}
