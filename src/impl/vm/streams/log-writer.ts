/**
 * Writes a container's log in order and decides what becomes of output that the disk does not take.
 *
 * The container is held up (`isBusy`) while a write is under way: nothing is read that could be lost with us, and a flood
 * goes at the pace of the disk. But never longer than {@link stallMaxMs} by one write: after that, until the disk answers,
 * output is dropped and counted. What the disk refuses (ENOSPC, EIO) is dropped at once. docs/adr/0011 has the reasons.
 */
import type { LogStream } from '../../../container-log/log-entry.ts'
import { OciError } from '../../../errors/index.ts'
import type { Logger } from '../../../surroundings/logger.ts'
import { inTurn } from './disk-turns.ts'
import { deviceOf, LogFile, type LogFileSpec } from './log-file.ts'
import { contentBytesOf, endsOpen, lineEnd, logLines, newline } from './log-lines.ts'
import { LogStamps } from './log-stamp.ts'

/** How long one write may hold up its container. */
const stallMaxMs = 1000
/** Of a write that is waited for when nothing more comes. */
const closeMaxMs = 2000
const reopenMaxMs = 6000
/** A disk that is nearly full takes one line and refuses the next: not each is worth a message. */
const reportPauseMs = 10_000

export interface LogWriterOptions {
  readonly logger: Logger
  /** The container need not be held up any longer. */
  readonly onFree: () => void
  /** For tests. */
  readonly stallMaxMs?: number | undefined
}

interface Output {
  readonly stream: LogStream
  readonly isBehindGap: boolean
  readonly sizeBytes: number
  /** Does not end with a newline. */
  readonly isOpen: boolean
}

export class LogWriter {
  readonly #file: LogFile
  readonly #spec: LogFileSpec
  readonly #options: LogWriterOptions
  readonly #stamps = new LogStamps()
  readonly #openLines = new Set<LogStream>()
  /** Where output is missing, by the disk's refusal: a line that was begun has to end before the next one. */
  readonly #gaps = new Set<LogStream>()
  /** The same for output that was dropped, behind writes that are still under way. */
  readonly #dropped = new Set<LogStream>()
  #device = 0
  #waiting = 0
  #doneCount = 0
  #isStalled = false
  #isClosed = false
  #stallTimer: NodeJS.Timeout | undefined
  #lostBytes = 0
  /** Lost since somebody was told that nothing is any more. */
  #unreportedBytes = 0
  #reportedMs = Number.NEGATIVE_INFINITY
  #isLossReported = false

  constructor(spec: LogFileSpec, options: LogWriterOptions) {
    this.#spec = spec
    this.#options = options
    this.#file = new LogFile(spec)
  }

  get isBusy(): boolean {
    return this.#waiting > 0 && !this.#isStalled
  }

  get lostBytes(): number {
    return this.#lostBytes
  }

  /** Throws ERR_INVALID_ARGUMENT (field `logPath`), ERR_IO. What is pushed later tries again. */
  async open(): Promise<void> {
    this.#device = await deviceOf(this.#spec.path)
    await this.#enqueue(() => this.#file.open())
  }

  /** The chunk is copied. */
  push(stream: LogStream, chunk: Uint8Array): void {
    if (this.#isClosed || this.#isStalled) {
      this.#dropped.add(stream)
      this.#lose(chunk.length, new Error('the disk does not answer'))
      return
    }
    const stamp = this.#stamps.next()
    const lines = logLines(stamp, stream, chunk)
    const isBehindGap = this.#dropped.delete(stream)
    const output = { stream, isBehindGap, sizeBytes: chunk.length, isOpen: chunk.at(-1) !== newline }
    void this.#enqueue(() => this.#append(lines, stamp, output))
  }

  /** As {@link LogFile.reopen}; also ERR_TIMEOUT, ERR_ABORTED: then the log goes on where it is, or is reopened late. */
  async reopen(signal: AbortSignal): Promise<void> {
    const { containerId, path } = this.#spec
    const details = { containerId, file: path }
    if (this.#isClosed) throw new OciError('ERR_CLOSED', `log ${path} is not written any more`, details)
    const { promise: givenUp, reject } = Promise.withResolvers<never>()
    givenUp.catch(() => undefined)
    let isGivenUp = false
    const giveUp = (error: OciError): void => {
      isGivenUp = true
      reject(error)
    }
    const abort = () => giveUp(new OciError('ERR_ABORTED', 'nobody waits for the new log any more', details))
    signal.addEventListener('abort', abort, { once: true })
    const timer = setTimeout(() => {
      const message = `log ${path} was not reopened within ${reopenMaxMs} ms: the disk does not answer`
      setImmediate(() => giveUp(new OciError('ERR_TIMEOUT', message, details)))
    }, reopenMaxMs)
    if (signal.aborted) abort()
    try {
      const reopened = this.#enqueue(async () => {
        if (!isGivenUp) await this.#file.reopen()
      })
      await Promise.race([givenUp, reopened])
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    }
  }

  /** Writes out what was pushed, as far as the disk takes it. What comes later is dropped. Never rejects. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const closed = this.#enqueue(() => this.#file.close()).catch((error: unknown) => this.#complain(error))
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      this.#complain(new Error(`the disk did not answer within ${closeMaxMs} ms`))
      resolve()
    }, closeMaxMs)
    await Promise.race([closed, late])
    clearTimeout(timer)
    if (this.#unreportedBytes > 0) this.#reportLost()
  }

  async #append(lines: Buffer, stamp: string, output: Output): Promise<void> {
    const { stream, sizeBytes, isOpen } = output
    const isCut = this.#gaps.delete(stream) || output.isBehindGap
    const end = isCut && this.#openLines.has(stream) ? lineEnd(stamp, stream) : Buffer.alloc(0)
    const all = end.length === 0 ? lines : Buffer.concat([end, lines])
    const { writtenBytes, error } = await this.#file.append(all)
    if (writtenBytes === all.length) {
      this.#setOpen(stream, isOpen)
      this.#recovered()
      return
    }
    this.#gaps.add(stream)
    if (writtenBytes > 0) this.#setOpen(stream, endsOpen(all.subarray(0, writtenBytes)))
    const logged = all.subarray(end.length, Math.max(end.length, writtenBytes))
    this.#lose(sizeBytes - contentBytesOf(logged), error)
  }

  #setOpen(stream: LogStream, isOpen: boolean): void {
    if (isOpen) this.#openLines.add(stream)
    else this.#openLines.delete(stream)
  }

  /** One operation after the other, and one per disk. */
  #enqueue<T>(operation: () => Promise<T>): Promise<T> {
    this.#waiting += 1
    this.#watch()
    const done = inTurn(this.#device, operation)
    const onDone = (): void => this.#done()
    done.then(onDone, onDone)
    return done
  }

  #done(): void {
    this.#waiting -= 1
    this.#doneCount += 1
    clearTimeout(this.#stallTimer)
    this.#stallTimer = undefined
    if (this.#waiting > 0) return this.#watch()
    this.#isStalled = false
    this.#options.onFree()
  }

  #watch(): void {
    if (this.#stallTimer !== undefined || this.#isStalled) return
    const doneCount = this.#doneCount
    // After a stall of the event loop a write may have been done that nobody has heard of yet.
    const stallIfSame = (): void => void setImmediate(() => doneCount === this.#doneCount && this.#stall())
    this.#stallTimer = setTimeout(stallIfSame, this.#options.stallMaxMs ?? stallMaxMs).unref()
  }

  #stall(): void {
    this.#isStalled = true
    this.#options.onFree()
  }

  #lose(sizeBytes: number, err: unknown): void {
    this.#lostBytes += sizeBytes
    this.#unreportedBytes += sizeBytes
    if (this.#isLossReported || performance.now() - this.#reportedMs < reportPauseMs) return
    this.#isLossReported = true
    this.#reportedMs = performance.now()
    const { containerId, path } = this.#spec
    this.#options.logger.error({ containerId, file: path, err }, 'output of a container cannot be logged')
  }

  #recovered(): void {
    if (!this.#isLossReported) return
    this.#isLossReported = false
    this.#reportLost()
  }

  #reportLost(): void {
    const { containerId, path } = this.#spec
    const lostBytes = this.#unreportedBytes
    this.#unreportedBytes = 0
    this.#options.logger.warn(
      { containerId, file: path, lostBytes },
      'output of a container is missing in its log',
    )
  }

  #complain(err: unknown): void {
    const { containerId, path } = this.#spec
    this.#options.logger.warn({ containerId, file: path, err }, 'the log of a container was not closed')
  }
}
