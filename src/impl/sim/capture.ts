/** Output that is read to the end: the beginning is kept, the rest dropped. */
import type { Readable } from 'node:stream'
import { execOutputDefaultMaxBytes } from '../exec-port.ts'

export class Capture {
  /** Resolves at the end of the stream. Never rejects. */
  readonly ended: Promise<void>
  readonly #chunks: Buffer[] = []
  readonly #bytesMax: number
  #keptBytes = 0
  #truncated = false

  constructor(stream: Readable | undefined, bytesMax = execOutputDefaultMaxBytes) {
    this.#bytesMax = bytesMax
    stream?.on('data', (chunk: Buffer) => this.#push(chunk))
    this.ended = new Promise((resolve) => {
      if (stream === undefined) resolve()
      else stream.once('end', resolve).once('close', resolve)
    })
  }

  get truncated(): boolean {
    return this.#truncated
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  #push(chunk: Buffer): void {
    const part = chunk.subarray(0, this.#bytesMax - this.#keptBytes)
    if (part.length < chunk.length) this.#truncated = true
    if (part.length === 0) return
    this.#chunks.push(part)
    this.#keptBytes += part.length
  }
}
