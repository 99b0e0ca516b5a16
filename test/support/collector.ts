/** Clients' streams: one that takes everything, one that takes nothing. */
import { createHash } from 'node:crypto'
import { PassThrough, Writable } from 'node:stream'

/** A client's stream that counts and hashes what it gets, and keeps its beginning. */
export class Collector extends Writable {
  sizeBytes = 0
  #text = ''
  readonly #hash = createHash('sha256')

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.sizeBytes += chunk.length
    this.#hash.update(chunk)
    if (this.#text.length < 10_000) this.#text += chunk.toString('latin1')
    this.emit('text')
    done()
  }

  get text(): string {
    return this.#text
  }

  digest(): string {
    return this.#hash.copy().digest('hex')
  }

  async until(found: (text: string) => boolean): Promise<void> {
    while (!found(this.#text)) await new Promise((resolve) => this.once('text', resolve))
  }
}

/** A client's stream that never takes more than it can hold. */
export function neverRead(): PassThrough {
  return new PassThrough({ highWaterMark: 1024 })
}
