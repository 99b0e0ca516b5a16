/**
 * How far a file has been read, and whether it still is the file that was read. A log may be emptied in its place and
 * have grown past the position before anybody looks: its size says nothing then. So the last bytes before the position
 * are read again together with those behind it.
 */
import { readAt, sizeOf, type LogFile } from './log-file.ts'
import { leadingZeros } from './parse-log.ts'

/** conmon's lines have 8 KiB: so the time of one, which no other line has, is in it. */
const windowMaxBytes = 16_384
const chunkBytes = 65_536

/**
 * - `more`: what comes next, nothing at the end of the file.
 * - `hole`: the same, but what was read before is zeros now: emptied, and its writer goes on where it was.
 * - `emptied`: there is nothing in the file so far.
 * - `overwritten`: the file is another one, from its beginning on.
 */
export type Found = FoundBytes | { readonly kind: 'emptied' | 'overwritten'; readonly chunk?: undefined }

export interface FoundBytes {
  readonly kind: 'more' | 'hole'
  readonly chunk: Buffer
}

export class LogPosition {
  readonly #path: string
  readonly #buffer = Buffer.alloc(windowMaxBytes + chunkBytes)
  readonly #window = Buffer.alloc(windowMaxBytes)
  #windowBytes = 0
  #atBytes = 0

  constructor(path: string) {
    this.#path = path
  }

  get atBytes(): number {
    return this.#atBytes
  }

  /** The beginning of this file, or of another. */
  rewind(): void {
    this.#atBytes = 0
    this.#windowBytes = 0
  }

  /** False when the file does not reach so far. */
  async moveTo(file: LogFile, atBytes: number): Promise<boolean> {
    const fromBytes = Math.max(0, atBytes - windowMaxBytes)
    const read = await readAt(file, this.#buffer, fromBytes, atBytes - fromBytes, this.#path)
    if (fromBytes + read.length < atBytes) return false
    this.#atBytes = atBytes
    this.#keepWindow(read)
    return true
  }

  /** The chunk is valid until the next read. */
  async read(file: LogFile, toBytes: number): Promise<Found> {
    for (;;) {
      const windowBytes = this.#windowBytes
      const fromBytes = this.#atBytes - windowBytes
      const read = await readAt(file, this.#buffer, fromBytes, toBytes - fromBytes, this.#path)
      if (read.length < windowBytes) {
        const sizeBytes = await sizeOf(file, this.#path)
        if (sizeBytes === 0) return { kind: 'emptied' }
        if (sizeBytes < this.#atBytes) return { kind: 'overwritten' }
        // It has grown since.
        continue
      }
      const before = read.subarray(0, windowBytes)
      const isSame = before.equals(this.#window.subarray(0, windowBytes))
      if (!isSame && leadingZeros(before) < windowBytes) return { kind: 'overwritten' }
      const chunk = read.subarray(windowBytes)
      this.#atBytes += chunk.length
      this.#keepWindow(read)
      return { kind: isSame ? 'more' : 'hole', chunk }
    }
  }

  #keepWindow(read: Buffer): void {
    this.#windowBytes = Math.min(read.length, windowMaxBytes)
    read.copy(this.#window, 0, read.length - this.#windowBytes)
  }
}
