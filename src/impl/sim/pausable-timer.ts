/** A timer whose time can stand still, as that of a frozen process does. It may be longer than a clock's timers. */
import type { Clock } from '../../surroundings/clock.ts'

/** setTimeout fires at once beyond this. */
const stepMs = 2 ** 31 - 1

export class PausableTimer {
  readonly #clock: Clock
  readonly #callback: () => void
  #remainingMs: number
  #armedAtMs = 0
  #timer: unknown

  /** Runs from the beginning. */
  constructor(clock: Clock, callback: () => void, delayMs: number) {
    this.#clock = clock
    this.#callback = callback
    this.#remainingMs = delayMs
    this.resume()
  }

  pause(): void {
    if (this.#timer === undefined) return
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#remainingMs -= this.#clock.now() - this.#armedAtMs
  }

  resume(): void {
    if (this.#timer !== undefined) return
    const delayMs = Math.min(Math.max(this.#remainingMs, 0), stepMs)
    this.#armedAtMs = this.#clock.now()
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined
      this.#remainingMs -= delayMs
      if (this.#remainingMs > 0) this.resume()
      else this.#callback()
    }, delayMs)
  }
}
