/**
 * Time as this library sees it, so that tests can drive it. XState's SimulatedClock fits.
 * Invariant: durations are monotonic and never jump when somebody sets the host's clock; instants are for records only.
 */
import type { Timestamp } from '../container.ts'
import { timestampFromDate } from '../timestamp.ts'

export interface Clock {
  /** Milliseconds since some fixed instant; never goes back. */
  now(): number
  setTimeout(callback: () => void, delayMs: number): unknown
  clearTimeout(timer: unknown): void
  /** The wall clock's instant. Default: the host's. */
  timestamp?(): Timestamp
}

/** Monotonic time, and timers that never keep the embedder's process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
  clearTimeout: (timer) => {
    if (isTimeout(timer)) clearTimeout(timer)
  },
}

/** The same, but its timers keep the process alive: for waits in the middle of something that must not be cut short. */
export const waitingClock: Clock = {
  ...systemClock,
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
}

/** The wall clock's instant, for records. */
export function timestampOf(clock: Clock): Timestamp {
  return clock.timestamp?.() ?? timestampFromDate(new Date())
}

function isTimeout(timer: unknown): timer is NodeJS.Timeout {
  return typeof timer === 'object' && timer !== null && 'hasRef' in timer
}
