/** Those who wait for something of a container to become true, asked anew after every step. */
import { abortedWait } from '../surroundings/abort.ts'

export class Waiters {
  readonly #containerId: string
  readonly #looks = new Set<() => void>()

  constructor(containerId: string) {
    this.#containerId = containerId
  }

  /** How many wait. */
  get size(): number {
    return this.#looks.size
  }

  /** Something has changed. */
  notify(): void {
    for (const look of this.#looks) look()
  }

  /** Resolves with what `answer` gives once that is not undefined, rejects with what it throws, ERR_ABORTED by `signal`. */
  until<T>(answer: () => T | undefined, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        this.#looks.delete(look)
        signal?.removeEventListener('abort', abort)
      }
      const look = (): void => {
        try {
          const found = answer()
          if (found === undefined) return
          finish()
          resolve(found)
        } catch (error) {
          finish()
          reject(error)
        }
      }
      const abort = (): void => {
        finish()
        reject(abortedWait({ containerId: this.#containerId }, signal?.reason))
      }
      this.#looks.add(look)
      signal?.addEventListener('abort', abort, { once: true })
      if (signal?.aborted === true) abort()
      else look()
    })
  }
}
