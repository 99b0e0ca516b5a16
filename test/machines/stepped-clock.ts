/** XState's simulated clock, stopping at every timer on its way, so that what a timer causes happens in its time. */
import { SimulatedClock } from 'xstate'

export class SteppedClock extends SimulatedClock {
  readonly #dueMs = new Map<number, number>()
  #aheadMs = 0

  override setTimeout(fn: (...args: unknown[]) => void, delayMs: number): number {
    const id = super.setTimeout(() => {
      this.#dueMs.delete(id)
      fn()
    }, delayMs)
    this.#dueMs.set(id, this.now() + delayMs)
    return id
  }

  override clearTimeout(id: number): void {
    this.#dueMs.delete(id)
    super.clearTimeout(id)
  }

  /** What happens `ms` from now, before any timer that is due by then: the event loop was busy. */
  late(action: () => void, ms: number): void {
    this.#aheadMs = ms
    action()
    this.#aheadMs = 0
  }

  override now(): number {
    return super.now() + this.#aheadMs
  }

  /** How many timers are armed. */
  get armed(): number {
    return this.#dueMs.size
  }

  /** When the next timer is due, if one is. */
  get nextMs(): number | undefined {
    return this.#dueMs.size === 0 ? undefined : Math.min(...this.#dueMs.values())
  }

  /** Lets `ms` pass, `settled` after each timer. */
  async pass(ms: number, settled: () => Promise<void>): Promise<void> {
    const endMs = this.now() + ms
    await settled()
    for (let dueMs = this.nextMs; dueMs !== undefined && dueMs <= endMs; dueMs = this.nextMs) {
      this.set(Math.max(dueMs, this.now()))
      await settled()
    }
    this.set(endMs)
    await settled()
  }
}
