/** Instants as shims send them. */
import type { Timestamp } from '@bufbuild/protobuf/wkt'

const nanosPerSecond = 1_000_000_000n

/** Nanoseconds since 1970. Undefined for none, and for Go's zero time, by which shims say "never". */
export function nanosOf(instant: Timestamp | undefined): bigint | undefined {
  if (instant === undefined || instant.seconds <= 0n) return undefined
  return instant.seconds * nanosPerSecond + BigInt(instant.nanos)
}
