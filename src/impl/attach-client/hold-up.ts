/**
 * How long a client may hold up its container: in all {@link holdUpMaxMs} at once, earned back at {@link earnedShare} of
 * the time that passes. So a client that is late for a moment loses nothing, one that never reads costs its container a
 * moment, once, and no client can slow a container by more than that share for long. Time in which our own event loop stood
 * still is nobody's: it is spent in ticks, each of which counts for no more than its length.
 */
import { waitingClock, type Clock } from '../../surroundings/clock.ts'

const holdUpMaxMs = 1000
const earnedShare = 0.05
const tickMs = 50

export class HoldUp {
  readonly #onSpent: (() => void) | undefined
  readonly #clock: Clock
  #isOn = false
  #leftMs = holdUpMaxMs
  #sinceMs: number
  #timer: unknown

  /** Without `onSpent` it may last for ever. */
  constructor(onSpent: (() => void) | undefined, clock: Clock = waitingClock) {
    this.#onSpent = onSpent
    this.#clock = clock
    this.#sinceMs = clock.now()
  }

  get isOn(): boolean {
    return this.#isOn
  }

  begin(): void {
    if (this.#isOn) return
    this.#isOn = true
    if (this.#onSpent === undefined) return
    const nowMs = this.#clock.now()
    this.#leftMs = Math.min(holdUpMaxMs, this.#leftMs + (nowMs - this.#sinceMs) * earnedShare)
    this.#tick(this.#onSpent)
  }

  end(): void {
    this.#isOn = false
    if (this.#timer === undefined) return
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#spend()
    this.#sinceMs = this.#clock.now()
  }

  #tick(onSpent: () => void): void {
    this.#sinceMs = this.#clock.now()
    const next = (): void => {
      this.#spend()
      if (this.#leftMs > 0) this.#tick(onSpent)
      else onSpent()
    }
    this.#timer = this.#clock.setTimeout(next, Math.min(tickMs, this.#leftMs))
  }

  #spend(): void {
    const spentMs = Math.min(tickMs, this.#clock.now() - this.#sinceMs)
    this.#leftMs = Math.max(0, this.#leftMs - spentMs)
  }
}
