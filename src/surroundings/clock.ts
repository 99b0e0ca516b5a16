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
  setTimeout: (callback, delayMs) => new Timer(callback, delayMs, false),
  clearTimeout: (timer) => {
    if (timer instanceof Timer) timer.clear()
  },
}

/** The same, but its timers keep the process alive: for waits in the middle of something that must not be cut short. */
export const waitingClock: Clock = {
  ...systemClock,
  setTimeout: (callback, delayMs) => new Timer(callback, delayMs, true),
}

/** The wall clock's instant, for records. */
export function timestampOf(clock: Clock): Timestamp {
  return clock.timestamp?.() ?? timestampFromDate(new Date())
}

/**
 * Most timers are limits. When the event loop stood still, limits that have passed and answers that have arrived are due in the
 * same turn, and Node runs timers first: so each lets that turn's input and output go before it.
 */
class Timer {
  readonly #timeout: NodeJS.Timeout
  #isCleared = false

  constructor(callback: () => void, delayMs: number, keepsAlive: boolean) {
    // No clearImmediate: not every realm of Node's has it.
    const inItsTurn = (): void => void setImmediate(() => this.#isCleared || callback())
    this.#timeout = setTimeout(inItsTurn, delayMs)
    if (!keepsAlive) this.#timeout.unref()
  }

  clear(): void {
    this.#isCleared = true
    clearTimeout(this.#timeout)
  }
}
