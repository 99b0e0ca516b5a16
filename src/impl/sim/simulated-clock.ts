/**
 * Time that stands still until a test moves it. Timers fire in the order of their due times, those due together in the
 * order they were set, and whatever a timer sets off is over before the next one fires.
 *
 * Deliberately not here: other sources of time. Code under test that asks `Date.now` or the global `setTimeout` lives in
 * real time.
 */
import { setImmediate as nextTurn, setTimeout as realDelay } from 'node:timers/promises'
import type { Clock } from '../../surroundings/clock.ts'
import type { Timestamp } from '../../container.ts'
import { checkOptionsObject, messageOf, OciError, publicCall, type Operation } from '../../errors/index.ts'
import { timestampFromDate } from '../../timestamp.ts'

export interface SimulatedClockOptions {
  /** The wall clock's instant at `now() === 0`. Default 2020-01-01T00:00:00Z. */
  readonly epoch?: Date
  /**
   * Whether settling waits for file operations of this process that are under way. Default true. Turn it off where one
   * is never over: a read from a FIFO that nobody writes to.
   */
  readonly waitForFiles?: boolean
}

interface Timer {
  readonly id: number
  readonly dueMs: number
  readonly callback: () => void
}

/** Node fires a longer timer after 1 ms instead. */
const timerDelayMax = 2 ** 31 - 1
/** A timer that re-arms itself without delay never lets time pass. */
const timersPerAdvanceMax = 1_000_000
/** Turns of the event loop in which nothing is left to do before things count as settled. */
const quietTurns = 2
/** Turns that are taken at full speed before file operations are waited for a millisecond at a time. */
const eagerTurnsMax = 50
const settlingTurnsMax = 30_000
/** How far `runUntil` goes into the future unless told: an hour. */
const runUntilMs = 3_600_000

/**
 * A clock for tests, to be given to both the simulated runtime and `Runtime.open` (or to XState's `createActor`).
 * `now()` starts at 0; nothing happens until `advance` or `runUntil` is called, also nothing that is due in 0 ms.
 *
 * Deterministic: the same calls fire the same timers in the same order. As Node does, it fires a timer of more than
 * 2³¹−1 ms after 1 ms, so that tests find code that forgets to clamp.
 *
 * @example
 * const clock = new SimulatedClock()
 * clock.setTimeout(() => console.log('a minute later'), 60_000)
 * await clock.advance(60_000)          // logs at once
 */
export class SimulatedClock implements Clock {
  #epochMs: number
  readonly #waitForFiles: boolean
  readonly #timers = new Map<number, Timer>()
  #nowMs = 0
  #lastId = 0
  /** Advances wait for each other: two at a time would have no defined order. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: SimulatedClockOptions = {}) {
    checkOptionsObject(options, undefined)
    this.#epochMs = publicCall({ operation: undefined }, () =>
      (options.epoch ?? new Date('2020-01-01T00:00:00Z')).getTime(),
    )
    this.#waitForFiles = options.waitForFiles ?? true
  }

  now(): number {
    return this.#nowMs
  }

  /**
   * Sets the wall clock forward or back (negative); `now()` and timers do not notice. ERR_INVALID_ARGUMENT for a time that no
   * Date can hold.
   */
  shiftWallClock(ms: number): void {
    const epochMs = this.#epochMs + (typeof ms === 'number' ? ms : Number.NaN)
    if (Number.isNaN(new Date(epochMs + this.#nowMs).getTime())) {
      throw invalid(
        'ms',
        `${messageOf(ms)} must be a number of milliseconds within the range of Date`,
        'shiftWallClock',
      )
    }
    this.#epochMs = epochMs
  }

  /** The wall clock's instant: `epoch` plus `now()`, unless somebody has set it since. */
  timestamp(): Timestamp {
    return timestampFromDate(new Date(this.#epochMs + this.#nowMs))
  }

  /** How many timers are set. An idle system should have none. */
  get pending(): number {
    return this.#timers.size
  }

  setTimeout(callback: () => void, delayMs: number): number {
    if (typeof callback !== 'function') throw invalid('callback', 'must be a function', 'setTimeout')
    if (typeof delayMs !== 'number' && delayMs !== undefined)
      throw invalid('delayMs', `of type ${typeof delayMs} must be a number of milliseconds`, 'setTimeout')
    const id = ++this.#lastId
    this.#timers.set(id, { id, dueMs: this.#nowMs + effectiveDelay(delayMs), callback })
    return id
  }

  clearTimeout(timer: unknown): void {
    if (typeof timer === 'number') this.#timers.delete(timer)
  }

  /**
   * Lets `ms` milliseconds pass: fires every timer that falls due, settling before the first, between any two and after
   * the last (see {@link settle}). A call during another one begins when that is over.
   * ERR_INVALID_ARGUMENT unless `ms` is a finite number, 0 or more. Rejects with what a timer's callback throws.
   */
  advance(ms: number): Promise<void> {
    if (!Number.isFinite(ms) || ms < 0) {
      return Promise.reject(
        invalid('ms', `${messageOf(ms)} must be a finite number of milliseconds, 0 or more`),
      )
    }
    return this.#inTurn(async () => {
      const untilMs = this.#nowMs + ms
      await this.settle()
      for (let fired = 0; this.#fireNext(untilMs); fired++) {
        if (fired >= timersPerAdvanceMax) throw tooMany(`${timersPerAdvanceMax} timers fired within ${ms} ms`)
        await this.settle()
      }
      this.#nowMs = untilMs
    })
  }

  /**
   * Advances from timer to timer until `promise` settles, and no further; then resolves or rejects as it does.
   * ERR_TIMEOUT when no timer is left that could settle it, or the next one is more than `withinMs` (default an hour)
   * ahead of where the call began.
   *
   * @example
   * await clock.runUntil(runtime.stopContainer(container, 10))   // ten simulated seconds, no real ones
   */
  async runUntil<T>(promise: Promise<T>, options: { readonly withinMs?: number } = {}): Promise<T> {
    checkOptionsObject(options, undefined)
    const { withinMs = runUntilMs } = options
    if (typeof Reflect.get(Object(promise), 'then') !== 'function')
      throw invalid('promise', 'must be a promise', 'runUntil')
    if (typeof withinMs !== 'number')
      throw invalid('withinMs', 'must be a number of milliseconds', 'runUntil')
    const outcome = { isKnown: false }
    const note = (): void => {
      outcome.isKnown = true
    }
    promise.then(note, note)
    await this.#inTurn(async () => {
      const untilMs = this.#nowMs + withinMs
      await this.settle()
      for (let fired = 0; !outcome.isKnown; fired++) {
        if (fired >= timersPerAdvanceMax) throw tooMany(`${timersPerAdvanceMax} timers fired`)
        if (!this.#fireNext(untilMs)) throw tooMany(this.#deadEnd(withinMs))
        await this.settle()
      }
    })
    return promise
  }

  /**
   * Waits, without moving the time, until nothing is left to do: promise chains, `process.nextTick`, `setImmediate`, and
   * file operations of this process that are under way. Sockets, child processes and real timers are not waited for.
   * ERR_TIMEOUT when there is no end to it within about half a minute of real time.
   */
  async settle(): Promise<void> {
    let quiet = 0
    for (let turns = 0; quiet < quietTurns; turns++) {
      if (turns >= settlingTurnsMax) throw tooMany('file operations or immediates are under way without end')
      if (turns < eagerTurnsMax) await nextTurn()
      else await realDelay(1)
      quiet = this.#isBusy() ? 0 : quiet + 1
    }
  }

  #isBusy(): boolean {
    const resources = process.getActiveResourcesInfo()
    if (resources.includes('Immediate')) return true
    return this.#waitForFiles && resources.some((name) => name.startsWith('FSReq') || name === 'CloseReq')
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#last.then(work)
    this.#last = Promise.allSettled([result])
    return result
  }

  /** Fires the timer that is due first, if that is by `untilMs`. */
  #fireNext(untilMs: number): boolean {
    const next = this.#next()
    if (next === undefined || next.dueMs > untilMs) return false
    this.#timers.delete(next.id)
    this.#nowMs = Math.max(this.#nowMs, next.dueMs)
    next.callback()
    return true
  }

  #next(): Timer | undefined {
    let first: Timer | undefined
    // A map iterates in the order of insertion: of those due together the oldest wins.
    for (const timer of this.#timers.values()) {
      if (first === undefined || timer.dueMs < first.dueMs) first = timer
    }
    return first
  }

  #deadEnd(withinMs: number): string {
    if (this.#timers.size === 0) return 'the promise waits for something that no timer will bring about'
    return `the promise is not settled within ${withinMs} simulated milliseconds`
  }
}

function effectiveDelay(delayMs: number): number {
  if (delayMs > timerDelayMax) return 1
  return delayMs > 0 ? delayMs : 0
}

function invalid(field: string, problem: string, operation: Operation = 'advance'): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', `${field} ${problem}`, { field, operation })
}

function tooMany(problem: string): OciError {
  return new OciError('ERR_TIMEOUT', problem, { operation: 'advance' })
}
