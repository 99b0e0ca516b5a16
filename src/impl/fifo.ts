/**
 * This process's ends of FIFOs. Real pipes, so a command can open /dev/stdout by name, and a reader that stops reading
 * stops the writer.
 *
 * A blocking open of a FIFO holds a thread of libuv's pool until somebody opens the other end; four of them and no file
 * operation of the whole process goes on. So every open here is O_NONBLOCK, which never waits, and synchronous, since it
 * then takes microseconds.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { Readable, type Writable } from 'node:stream'
import { ioError } from '../files.ts'
import { untrackedFd } from './untracked-fd.ts'
import { streamed } from './young-heap.ts'

const { O_RDONLY, O_RDWR, O_WRONLY, O_NONBLOCK, O_NOFOLLOW } = constants

/** One end, opened before the other side is. It must be begun or abandoned. */
export class FifoEnd {
  readonly path: string
  readonly #flags: number
  #fd: number | undefined
  #otherEnd: number | undefined

  private constructor(path: string, mode: number) {
    this.path = path
    this.#flags = mode | O_NONBLOCK
    try {
      // Stands in for the other side until that has come: without a reader the open for writing fails, and without a
      // writer a reader sees the end at once.
      this.#otherEnd = openSync(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW)
      this.#fd = openSync(path, this.#flags | O_NOFOLLOW)
      if (!fstatSync(this.#fd).isFIFO()) throw new Error('it must be a FIFO')
    } catch (error) {
      this.abandon()
      throw ioError('open', path, error)
    }
  }

  static toRead(path: string): FifoEnd {
    return new FifoEnd(path, O_RDONLY)
  }

  static toWrite(path: string): FifoEnd {
    return new FifoEnd(path, O_WRONLY)
  }

  /** The other side is there, or was: hands over the descriptor, to a Socket. */
  take(): number {
    const fd = this.takeEarly()
    this.abandon()
    return fd
  }

  /** Hands over the descriptor, to a Socket, and goes on standing in for the other side until it is abandoned. */
  takeEarly(): number {
    const fd = this.#fd
    if (fd === undefined) throw new Error('this end of a FIFO has been taken already')
    this.#fd = undefined
    try {
      return untrackedFd(fd, this.#flags)
    } catch (error) {
      this.abandon()
      throw ioError('open', this.path, error)
    }
  }

  abandon(): void {
    for (const fd of [this.#fd, this.#otherEnd]) if (fd !== undefined) closeSync(fd)
    this.#fd = undefined
    this.#otherEnd = undefined
  }
}

const captureBufferBytes = 65_536
/** Node's timers overflow above this and would fire at once. */
const timerMaxMs = 2 ** 31 - 1

/** Reads to the end, keeps the beginning, drops the rest. */
export class FifoCapture {
  readonly #socket: Socket
  readonly #bytesMax: number
  #kept = Buffer.alloc(0)
  #keptBytes = 0
  #truncated = false
  /** Resolves with true at the end, with false when it was closed before. */
  readonly ended: Promise<boolean>

  /** One buffer serves all reads: a gigabyte of output must not become a gigabyte of garbage. */
  constructor(end: FifoEnd, bytesMax: number) {
    this.#bytesMax = bytesMax
    const onread = {
      buffer: Buffer.allocUnsafeSlow(captureBufferBytes),
      callback: (sizeBytes: number, buffer: Uint8Array) => {
        this.#push(buffer.subarray(0, sizeBytes))
        return true
      },
    }
    this.#socket = new Socket({ fd: end.take(), readable: true, writable: false, onread })
    this.ended = new Promise((resolve) => {
      this.#socket.once('end', () => resolve(true)).once('close', () => resolve(false))
      // An error closes it.
      this.#socket.on('error', () => undefined)
    })
    this.#socket.resume()
  }

  get truncated(): boolean {
    return this.#truncated
  }

  get bytes(): Buffer {
    return this.#kept.subarray(0, this.#keptBytes)
  }

  close(): void {
    this.#socket.destroy()
  }

  #push(chunk: Uint8Array): void {
    const part = chunk.subarray(0, this.#bytesMax - this.#keptBytes)
    if (part.length < chunk.length) this.#truncated = true
    if (part.length === 0) return
    this.#reserve(this.#keptBytes + part.length)
    this.#kept.set(part, this.#keptBytes)
    this.#keptBytes += part.length
  }

  #reserve(sizeBytes: number): void {
    if (sizeBytes <= this.#kept.length) return
    const grown = Buffer.allocUnsafeSlow(
      Math.min(Math.max(2 * this.#kept.length, sizeBytes, 512), this.#bytesMax),
    )
    grown.set(this.bytes)
    this.#kept = grown
  }
}

/** A stream out of a FIFO that can be ended from this side, as if the writer had closed it. */
export interface FifoReadable {
  readonly stream: Readable
  /** Ends it once nothing has come for `quietMs` although it was being read. */
  endWhenQuiet(quietMs: number): void
  /** Ends it for its reader; what still comes is read and dropped, so that the writer can go on. Keeps no process alive. */
  discard(): void
}

export function readFifo(end: FifoEnd): FifoReadable {
  const socket = new Socket({ fd: end.take(), readable: true, writable: false })
  let timer: NodeJS.Timeout | undefined
  let pausedSinceLook = false
  let over = false
  let discarding = false
  const stream = new Readable({
    read: () => void socket.resume(),
    destroy: (error, done) => {
      clearInterval(timer)
      if (!discarding) socket.destroy()
      done(error)
    },
  })
  const finish = (): void => {
    if (over) return
    over = true
    clearInterval(timer)
    stream.push(null)
    socket.destroy()
  }
  socket
    .pause()
    .on('data', (chunk: Buffer) => {
      streamed(chunk.length)
      if (over) return
      timer?.refresh()
      if (stream.push(chunk)) return
      pausedSinceLook = true
      socket.pause()
    })
    .on('error', (error) => stream.destroy(error))
    .once('end', finish)
    // Closed without an end by us only, or after an error.
    .once('close', finish)
  return {
    stream,
    discard: () => {
      if (over) return
      over = true
      discarding = true
      clearInterval(timer)
      stream.push(null)
      socket.unref().resume()
    },
    endWhenQuiet: (quietMs) => {
      if (over || timer !== undefined) return
      timer = setInterval(
        () => {
          // A slow reader is not a quiet writer: what waits in the pipe is still to come.
          if (socket.isPaused() || stream.readableLength > 0 || pausedSinceLook) pausedSinceLook = false
          else finish()
        },
        Math.min(quietMs, timerMaxMs),
      )
      // Who never reads it must not have to live for it.
      timer.unref()
    },
  }
}

/** A stream into a FIFO. An error (EPIPE: nobody reads it any more) destroys it. */
export function writeFifo(end: FifoEnd): Writable {
  return new Socket({ fd: end.take(), readable: false, writable: true })
}
