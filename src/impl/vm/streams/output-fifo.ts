/**
 * Our end of a FIFO that a container writes to.
 *
 * As long as anybody has it open, here or in the shim, a writer gets no EPIPE and what the pipe holds (64 KiB) is kept; a
 * full pipe makes the writer wait. What was read and not yet passed on dies with us. So nothing is read ahead: every
 * chunk is given away before the next one is read, and who cannot take another one says `hold`.
 */
import { Socket } from 'node:net'
import { FifoEnd } from '../../fifo.ts'

/** One for all: libuv reads into it and calls back before it reads anything else. A pipe's own size. */
const chunkBuffer = Buffer.allocUnsafeSlow(65_536)

export class OutputFifo {
  /** Resolves with true at the end: no writer is left and everything was read. With false when it was closed before. */
  readonly ended: Promise<boolean>
  readonly #end: FifoEnd
  readonly #socket: Socket

  /**
   * Until {@link writerCame} the end does not come. The chunk is only lent. Keeps no process alive. Throws ERR_IO.
   */
  constructor(path: string, onChunk: (chunk: Uint8Array) => void) {
    this.#end = FifoEnd.toRead(path)
    const onread = {
      buffer: chunkBuffer,
      callback: (sizeBytes: number, buffer: Uint8Array) => {
        onChunk(buffer.subarray(0, sizeBytes))
        return true
      },
    }
    this.#socket = new Socket({ fd: this.#end.takeEarly(), readable: true, writable: false, onread })
    this.ended = new Promise((resolve) => {
      this.#socket.once('end', () => resolve(true)).once('close', () => resolve(false))
      // An error closes it.
      this.#socket.on('error', () => undefined)
    })
    this.#socket.unref().resume()
  }

  /** The shim has its end open, or has had: when nobody has any more, that is the end. */
  writerCame(): void {
    this.#end.abandon()
  }

  hold(): void {
    this.#socket.pause()
  }

  release(): void {
    if (!this.#socket.destroyed) this.#socket.resume()
  }

  close(): void {
    this.#end.abandon()
    this.#socket.destroy()
  }
}
