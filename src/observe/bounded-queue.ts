/** A queue that never holds more than its limit: what is too much pushes the oldest out. */
import { OciError } from '../errors/index.ts'

export class BoundedQueue<T> {
  readonly #max: number
  /** A ring once it is full: the oldest value stands at `#head`. */
  readonly #values: (T | undefined)[] = []
  #head = 0
  #size = 0

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#size
  }

  /** Adds `value` and returns what had to leave for it. */
  push(value: T): T | undefined {
    if (this.#max === 0) return value
    const pushedOut = this.#size === this.#max ? this.shift() : undefined
    this.#values[(this.#head + this.#size) % this.#max] = value
    this.#size += 1
    return pushedOut
  }

  /** Takes the oldest. */
  shift(): T | undefined {
    if (this.#size === 0) return undefined
    const value = this.#values[this.#head]
    // Not kept reachable by a place nobody reads.
    this.#values[this.#head] = undefined
    this.#head = (this.#head + 1) % this.#max
    this.#size -= 1
    return value
  }

  /** What it holds, oldest first. */
  *values(): Generator<T> {
    for (let i = 0; i < this.#size; i++) {
      const value = this.#values[(this.#head + i) % this.#max]
      if (value !== undefined) yield value
    }
  }

  clear(): void {
    this.#values.length = 0
    this.#head = 0
    this.#size = 0
  }
}

/** `max` if a queue can be limited to it, else ERR_INVALID_ARGUMENT naming `field`. */
export function validMax(field: string, max: number, least: number): number {
  if (Number.isSafeInteger(max) && max >= least) return max
  throw new OciError('ERR_INVALID_ARGUMENT', `${field} ${max} must be a whole number, ${least} or more`, {
    field,
  })
}
