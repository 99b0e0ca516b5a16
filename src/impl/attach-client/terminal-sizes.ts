/** The sizes of a client's terminal on their way to the container's. */
import type { Observable } from 'rxjs'
import { checkOptionsObject, messageOf, OciError } from '../../errors/index.ts'
import type { TerminalSize } from '../terminal-size.ts'

/** A terminal's size is two 16-bit numbers in the kernel. */
const sideMax = 65_535

/** Throws ERR_INVALID_ARGUMENT for sizes that cannot be subscribed to. */
export function checkSizes(resize$: unknown): void {
  if (resize$ === undefined) return
  if (typeof resize$ === 'object' && resize$ !== null && 'subscribe' in resize$) return
  const message =
    'resize$ must be an Observable of sizes, such as new BehaviorSubject({ width: 80, height: 24 })'
  throw new OciError('ERR_INVALID_ARGUMENT', message, { field: 'resize$' })
}

/** Throws ERR_INVALID_ARGUMENT with the field, which stands in `within` if that is given. */
export function checkTerminalSize(size: TerminalSize, within?: string): void {
  checkOptionsObject(size, undefined, within ?? 'size')
  const { width, height } = size
  for (const [side, characters] of Object.entries({ width, height })) {
    if (Number.isInteger(characters) && characters >= 0 && characters <= sideMax) continue
    const message = `a terminal's ${side} must be a whole number from 0 to ${sideMax}, got ${messageOf(characters)}`
    const field = within === undefined ? side : `${within}.${side}`
    throw new OciError('ERR_INVALID_ARGUMENT', message, { field })
  }
}

export interface SizeTarget {
  /** Resolves when this size, or a later one, is set. */
  readonly set: (size: TerminalSize) => Promise<void>
  /** A size that cannot be set is no reason to end a session. */
  readonly complain: (error: unknown) => void
  readonly over: AbortSignal
}

/** Resolves when a size that was there at once is set. Never rejects. */
export async function followSizes(
  resize$: Observable<TerminalSize>,
  { set, complain, over }: SizeTarget,
): Promise<void> {
  let first: Promise<void> | undefined
  const subscription = resize$.subscribe({
    next: (size) => {
      const done = set(size).catch(complain)
      first ??= done
    },
    error: complain,
  })
  over.addEventListener('abort', () => subscription.unsubscribe(), { once: true })
  if (over.aborted) subscription.unsubscribe()
  await first
}

/** Sets sizes one after the other; of those that come meanwhile only the last. */
export class LatestSize {
  readonly #set: (size: TerminalSize) => Promise<void>
  #wanted: TerminalSize | undefined
  #setting: Promise<void> | undefined

  constructor(set: (size: TerminalSize) => Promise<void>) {
    this.#set = set
  }

  /** Resolves when this size, or a later one, is set; rejects when that failed, and with ERR_INVALID_ARGUMENT. */
  async set({ width, height }: TerminalSize): Promise<void> {
    checkTerminalSize({ width, height })
    this.#wanted = { width, height }
    this.#setting ??= this.#setAll()
    await this.#setting
  }

  async #setAll(): Promise<void> {
    try {
      for (let size = this.#wanted; size !== undefined; size = this.#wanted) {
        this.#wanted = undefined
        await this.#set(size).catch((error: unknown) => {
          // The next one makes up for it.
          if (this.#wanted === undefined) throw error
        })
      }
    } finally {
      this.#setting = undefined
    }
  }
}
