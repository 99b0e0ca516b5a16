/**
 * Our end of a FIFO that a process reads its input from.
 *
 * The shim has a write end of its own, so that our death is not the end of input. So that end takes two things: our end
 * is closed, and then the shim is told (CloseIO). And nothing may be written, let alone closed, before the shim has its
 * reading end: it would be lost, or the process would wait for ever. A FIFO without reader cannot be opened for writing
 * without waiting (ENXIO), and an open that waits holds a thread; so it is tried again and again, from shortly before
 * Start on.
 */
import { constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { errnoOf, isError, messageOf } from '../../../errors/index.ts'
import { ioError } from '../../../files.ts'
import { untrackedFd } from '../../untracked-fd.ts'

const pauseMinMs = 1
const pauseMaxMs = 50
/** Of tries without anybody there. A shim opens its end within Create or Start. */
const openMaxMs = 30_000

export interface InputFifoOptions {
  /** Called once, when our end is closed after the last byte, and the process was started. */
  readonly closeStdin: () => Promise<void>
  readonly complain: (error: unknown) => void
  /** Whether waiting for the reader of what was written keeps the process alive. */
  readonly keepsAlive: boolean
}

/** What is written before it is open waits. An error (EPIPE: nobody reads any more) destroys it. */
export class InputFifo extends Writable {
  readonly #path: string
  readonly #options: InputFifoOptions
  readonly #starting = Promise.withResolvers<void>()
  readonly #started = Promise.withResolvers<void>()
  readonly #over = new AbortController()
  #socket: Socket | undefined
  #pending: ((error?: Error) => void) | undefined
  #tells = true

  constructor(path: string, options: InputFifoOptions) {
    super()
    this.#path = path
    this.#options = options
    // Whoever wrote hears of it by the callback; that nobody reads any more is no error of ours.
    this.on('error', () => undefined)
    this.#open().then(
      (socket) => this.#connect(socket),
      (error: unknown) => this.destroy(isError(error) ? error : new Error(messageOf(error))),
    )
  }

  starting(): void {
    this.#starting.resolve()
  }

  started(): void {
    this.#starting.resolve()
    this.#started.resolve()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (chunk.length === 0) return done()
    this.#whenOpen((error) => {
      if (this.#socket === undefined) done(error)
      else this.#socket.write(chunk, done)
    })
  }

  /** Closes our end without telling the shim: the process goes on without us, or is gone. */
  leave(): void {
    this.#tells = false
    this.destroy()
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#whenOpen((error) => {
      this.#socket?.end()
      done(error)
    })
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#over.abort()
    this.#pending?.(error ?? new Error('stdin was closed'))
    if (this.#socket === undefined) void this.#closeStdin()
    // After the last byte it closes by itself.
    else if (!this.writableFinished) this.#socket.destroy()
    done(error)
  }

  /** A stream has one write or its end under way, never two. */
  #whenOpen(pending: (error?: Error) => void): void {
    if (this.#socket === undefined) this.#pending = pending
    else pending()
  }

  #connect(socket: Socket | undefined): void {
    if (socket === undefined) return
    if (this.destroyed) return void socket.destroy()
    this.#socket = socket
    socket.on('error', (error) => this.destroy(error)).once('close', () => void this.#closeStdin())
    if (!this.#options.keepsAlive) socket.unref()
    const pending = this.#pending
    this.#pending = undefined
    pending?.()
  }

  /** Undefined: nobody wants it any more. */
  async #open(): Promise<Socket | undefined> {
    const { signal } = this.#over
    await this.#starting.promise
    const endMs = performance.now() + openMaxMs
    for (let pauseMs = pauseMinMs; !signal.aborted; pauseMs = Math.min(pauseMs * 1.5, pauseMaxMs)) {
      const untracked = this.#tryOpen()
      if (untracked !== undefined) return new Socket({ fd: untracked, readable: false, writable: true })
      if (performance.now() > endMs) throw ioError('open', this.#path, new Error('nobody reads from it'))
      await delay(pauseMs, undefined, { ref: this.#options.keepsAlive })
    }
    return undefined
  }

  #tryOpen(): number | undefined {
    const { O_WRONLY, O_NONBLOCK, O_NOFOLLOW } = constants
    const flags = O_WRONLY | O_NONBLOCK
    try {
      return untrackedFd(openSync(this.#path, flags | O_NOFOLLOW), flags)
    } catch (error) {
      if (errnoOf(error) === 'ENXIO') return undefined
      throw ioError('open', this.#path, error)
    }
  }

  async #closeStdin(): Promise<void> {
    await this.#started.promise
    if (!this.#tells) return
    await this.#options.closeStdin().catch(this.#options.complain)
  }
}
