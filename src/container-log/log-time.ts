/** Instants of log entries as numbers that can be compared: the offsets of two of them need not be the same. */
import { types } from 'node:util'
import type { Timestamp } from '../container.ts'
import { OciError } from '../errors/index.ts'

const nanosPerMs = 1_000_000n

/** Nanoseconds since 1970; undefined for what is no instant. */
export function instantNs(at: Timestamp | Date): bigint | undefined {
  if (types.isDate(at)) {
    const ms = at.getTime()
    return Number.isNaN(ms) ? undefined : BigInt(ms) * nanosPerMs
  }
  const [, seconds, decimals = '', zone] = /^([^.]*?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(at) ?? []
  const ms = Date.parse(`${seconds}${zone}`)
  return Number.isNaN(ms) ? undefined : BigInt(ms) * nanosPerMs + BigInt(decimals.padEnd(9, '0'))
}

/** Throws ERR_INVALID_ARGUMENT naming the field. */
export function instantOption(field: string, at: Timestamp | Date | undefined): bigint | undefined {
  if (at === undefined) return undefined
  const instant = instantNs(at)
  if (instant !== undefined) return instant
  const message = `${field} must be a date or an RFC 3339 time with an offset, got ${JSON.stringify(String(at))}`
  throw new OciError('ERR_INVALID_ARGUMENT', message, { operation: 'readContainerLog', field })
}
