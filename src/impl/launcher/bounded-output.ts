/** The two ways to keep a bounded part of an unbounded output: its beginning or its end. */

export class HeadBytes {
  readonly #bytesMax: number
  readonly #chunks: Buffer[] = []
  #keptBytes = 0
  #truncated = false

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  push(chunk: Buffer): void {
    const kept = chunk.subarray(0, this.#bytesMax - this.#keptBytes)
    if (kept.length < chunk.length) this.#truncated = true
    if (kept.length === 0) return
    this.#chunks.push(kept)
    this.#keptBytes += kept.length
  }

  get truncated(): boolean {
    return this.#truncated
  }

  toString(): string {
    return Buffer.concat(this.#chunks).toString('utf8')
  }
}

export class TailBytes {
  readonly #bytesMax: number
  #tail: Buffer = Buffer.alloc(0)
  #truncated = false

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  push(chunk: Buffer): void {
    const all = Buffer.concat([this.#tail, chunk])
    if (all.length > this.#bytesMax) this.#truncated = true
    this.#tail = Buffer.from(all.subarray(-this.#bytesMax))
  }

  toString(): string {
    return this.#tail.subarray(this.#truncated ? continuationBytes(this.#tail) : 0).toString('utf8')
  }
}

/** How many bytes at the start belong to a character whose beginning was cut off. */
function continuationBytes(bytes: Buffer): number {
  let count = 0
  while (count < 3 && ((bytes[count] ?? 0) & 0b1100_0000) === 0b1000_0000) count += 1
  return count
}
