/**
 * The effects of one container that are under way. XState aborts them when their state is left, but not when the machine
 * dies: then they would go on for nobody.
 */
import type { OciError } from '../errors/index.ts'

export class RunningEffects {
  readonly #running = new Set<AbortController>()

  /** `effect` with a signal that is aborted by `signal` and by {@link abort}. */
  async run<T>(signal: AbortSignal | undefined, effect: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    const abort = (): void => {
      controller.abort(signal?.reason)
    }
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted === true) abort()
    this.#running.add(controller)
    try {
      return await effect(controller.signal)
    } finally {
      this.#running.delete(controller)
      signal?.removeEventListener('abort', abort)
    }
  }

  abort(reason: OciError): void {
    for (const controller of this.#running) controller.abort(reason)
  }
}
