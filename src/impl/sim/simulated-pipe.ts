/**
 * A pipe of the simulated kernel: bytes in order, a reader that does not read stops the writer, and nothing moves while the
 * process at its inner end is frozen.
 */
import { finished, Readable, Writable } from 'node:stream'

/** Runs `act` as soon as the process can, which is at once unless it is frozen; never, once it has ended. */
export type Gate = (act: () => void) => void

export interface PipeOptions {
  readonly gate: Gate
  /** Somebody has written although nobody can read it any more. */
  readonly onBroken?: () => void
}

/** As Linux has it. */
const capacityBytes = 65_536

export class SimulatedPipe {
  readonly writer: Writable
  readonly reader: Readable
  readonly #onBroken: () => void
  /** Calls the write back that waits for the reader. */
  #blocked: (() => void) | undefined
  #discarding = false
  #ended = false

  constructor({ gate, onBroken = () => undefined }: PipeOptions) {
    this.#onBroken = onBroken
    this.reader = new Readable({
      highWaterMark: capacityBytes,
      read: () => this.#release(),
      destroy: (error, done) => {
        this.#release()
        done(error)
      },
    })
    this.writer = new Writable({
      highWaterMark: capacityBytes,
      write: (chunk: Buffer, _encoding, done) => gate(() => this.#deliver(chunk, done)),
      final: (done) =>
        gate(() => {
          this.#endOfFile()
          done()
        }),
      destroy: (error, done) => {
        if (error === null) this.#endOfFile()
        else this.reader.destroy(error)
        done(error)
      },
    })
    // Whoever holds an end hears of it by what he does next; without a listener Node would end the embedder's process.
    this.writer.on('error', () => undefined)
    this.reader.on('error', () => undefined)
  }

  /** The writer's process is gone: what is in the pipe can still be read. */
  closeWriter(): void {
    this.#endOfFile()
    this.writer.destroy()
  }

  /** The reader's process is gone, and nobody has to try whether it still reads. */
  close(): void {
    this.reader.destroy()
    this.writer.destroy()
  }

  /** Ends it for its reader; what still comes is dropped, so that the writer can go on. */
  discard(): void {
    this.#endOfFile()
    this.#discarding = true
    this.#release()
  }

  #deliver(chunk: Buffer, done: (error?: Error | null) => void): void {
    if (this.#discarding || this.#ended) return done()
    if (this.reader.destroyed) {
      done(brokenPipe())
      this.#onBroken()
    } else if (this.reader.push(chunk)) done()
    else this.#blocked = done
  }

  #endOfFile(): void {
    if (this.#ended) return
    this.#ended = true
    this.reader.push(null)
  }

  #release(): void {
    const blocked = this.#blocked
    this.#blocked = undefined
    blocked?.()
  }
}

/** /dev/null. */
export function noInput(): Readable {
  return new Readable({
    read() {
      this.push(null)
    },
  })
}

/** Tells when all that was written is through, or nobody will ever take it. */
export function whenFlushed(stream: Writable, done: () => void): void {
  if (stream.writableLength === 0 || stream.destroyed) done()
  else if (stream.writableEnded) finished(stream, { readable: false }, () => done())
  else stream.write('', () => done())
}

function brokenPipe(): Error {
  return Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' })
}
