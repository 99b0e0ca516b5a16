/**
 * Instants as the state file writes them: RFC 3339 in UTC, always nine decimals, so that two timestamps compare as
 * strings. Deliberately not here: reading timestamps back, and any clock.
 */
import type { Timestamp } from './container.ts'
import { OciError } from './errors/index.ts'

const nanosPerSecond = 1_000_000_000n

/**
 * The instant that is `sinceEpochNs` nanoseconds after 1970-01-01T00:00:00Z. Nothing is rounded.
 * Throws ERR_INVALID_ARGUMENT outside the years 0 to 9999, which RFC 3339 cannot write.
 */
export function timestampFromNs(sinceEpochNs: bigint): Timestamp {
  // BigInt division rounds towards zero, and the remainder of an instant before 1970 must count upwards all the same.
  const remainder = sinceEpochNs % nanosPerSecond
  const nanos = remainder < 0n ? remainder + nanosPerSecond : remainder
  const seconds = Number((sinceEpochNs - nanos) / nanosPerSecond)
  return `${wholeSeconds(new Date(seconds * 1000))}.${nanos.toString().padStart(9, '0')}Z`
}

/** The same instant as `date`, to the millisecond. Throws ERR_INVALID_ARGUMENT like {@link timestampFromNs}. */
export function timestampFromDate(date: Date): Timestamp {
  const seconds = wholeSeconds(date)
  return `${seconds}.${String(date.getUTCMilliseconds()).padStart(3, '0')}000000Z`
}

function wholeSeconds(date: Date): string {
  const year = date.getUTCFullYear()
  if (year >= 0 && year <= 9999) return date.toISOString().slice(0, 19)
  throw new OciError('ERR_INVALID_ARGUMENT', 'an instant must be a valid date between the years 0 and 9999', {
    field: 'instant',
  })
}
