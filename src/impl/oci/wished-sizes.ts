/** The sizes that a client wishes for a terminal which is yet to come: the last one counts, from then on each. */
import type { Observable, Subscription } from 'rxjs'
import type { TerminalSize } from '../terminal-size.ts'
import { checkTerminalSize } from '../attach-client/terminal-sizes.ts'

export class WishedSizes {
  readonly #subscription: Subscription | undefined
  readonly #complain: (error: unknown) => void
  #latest: TerminalSize | undefined
  #set: ((size: TerminalSize) => Promise<void>) | undefined

  /** `complain` hears of what is no size, of sizes that were not set, and of a source that failed. */
  constructor(resize$: Observable<TerminalSize> | undefined, complain: (error: unknown) => void) {
    this.#complain = complain
    this.#subscription = resize$?.subscribe({ next: (size) => this.#wish(size), error: complain })
  }

  /** The last one so far. */
  get latest(): TerminalSize | undefined {
    return this.#latest
  }

  /** The terminal is there, in size `inForce`. */
  follow(inForce: TerminalSize | undefined, set: (size: TerminalSize) => Promise<void>): void {
    this.#set = set
    if (this.#latest !== undefined && this.#latest !== inForce) this.#wish(this.#latest)
  }

  close(): void {
    this.#subscription?.unsubscribe()
  }

  #wish(size: TerminalSize): void {
    try {
      checkTerminalSize(size)
    } catch (error) {
      return this.#complain(error)
    }
    this.#latest = size
    this.#set?.(size).catch(this.#complain)
  }
}
