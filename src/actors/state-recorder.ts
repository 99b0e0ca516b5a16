/**
 * Puts a container's state on disk: one write at a time, the latest state wins, nobody is answered before the disk has
 * what he asked for. What the disk refuses is tried again until it is taken.
 *
 * A write that hangs is a refusal once its time is up: it gives its lane back, and nothing else is written over it
 * before it has ended, since two writes of one file have no order.
 */
import { withLimit } from '../surroundings/abort.ts'
import type { Clock } from '../surroundings/clock.ts'
import { isOciError, OciError } from '../errors/index.ts'
import { backoffMs } from '../machines/delays.ts'
import type { StateRecord } from '../store/state-record.ts'
import type { Lanes } from './lanes.ts'

const retryMinMs = 100
const retryMaxMs = 10_000

export interface StateRecorderOptions {
  readonly containerId: string
  write(record: StateRecord): Promise<void>
  /** Shared by all containers: at most so many writes at once. */
  readonly lanes: Lanes
  readonly clock: Clock
  readonly writeTimeoutMs: number
  /** The disk has taken the latest state (undefined), or refused one. */
  onOutcome(error: OciError | undefined): void
}

export class StateRecorder {
  readonly #options: StateRecorderOptions
  #latest: StateRecord | undefined
  /** States are counted as they are put: how far they have come, how far the disk is, how far somebody wants it to be. */
  #putCount = 0
  #writtenCount = 0
  #wantedCount = 0
  #refusal: OciError | undefined
  /** The write under way, or waiting for its lane. */
  #writing: Promise<void> | undefined
  /** Ends when the disk has the latest state, or has refused it. */
  #round: Promise<void> | undefined
  #retryTimer: unknown
  #failures = 0
  #closed = false

  constructor(options: StateRecorderOptions) {
    this.#options = options
  }

  /** True while the disk has not got the latest state. */
  get isBehind(): boolean {
    return this.#writtenCount < this.#putCount
  }

  /** Why the disk has not got the latest state; undefined while it is only about to get it. */
  get refusal(): OciError | undefined {
    return this.#refusal
  }

  /** The state to be on disk; replaces one that is not written yet. */
  put(record: StateRecord): void {
    this.putLazily(record)
    void this.flush()
  }

  /** The same for a state that is soon followed by another: it is written when somebody waits for it, or not at all. */
  putLazily(record: StateRecord): void {
    if (this.#closed) return
    this.#latest = record
    this.#putCount += 1
  }

  /** Resolves when the latest state is on disk; rejects when the disk refuses it. It is retried all the same. */
  flush(): Promise<void> {
    if (!this.isBehind || this.#closed) return Promise.resolve()
    this.#wantedCount = this.#putCount
    if (this.#round === undefined) {
      this.#round = this.#catchUp()
      this.#round.catch(() => undefined)
    }
    return this.#round
  }

  /** Tries once more to write what is not written, then no more. */
  async close(): Promise<void> {
    await this.flush().catch(() => undefined)
    this.#closed = true
    this.#cancelRetry()
  }

  /** Gives up what is not written; resolves when nothing is being written any more. */
  async drop(): Promise<void> {
    this.#latest = undefined
    this.#writtenCount = this.#putCount
    this.#refusal = undefined
    this.#cancelRetry()
    await this.#writing?.catch(() => undefined)
  }

  /** Somebody waits for a state that is not on disk. */
  get #isWanted(): boolean {
    return this.#writtenCount < this.#wantedCount
  }

  async #catchUp(): Promise<void> {
    try {
      while (this.#isWanted && !this.#closed) await this.#attempt()
    } catch (error) {
      const refusal = asRefusal(error, this.#options.containerId)
      if (this.#isWanted) this.#refused(refusal)
      throw refusal
    } finally {
      this.#round = undefined
    }
  }

  async #attempt(): Promise<void> {
    this.#writing ??= this.#begin().finally(() => {
      this.#writing = undefined
    })
    const writing = this.#writing
    await this.#inTime(() => writing)
  }

  /** Resolves when the write has ended, however long that takes; its lane is lent for as long as a write may take. */
  #begin(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    void this.#options.lanes.run(async () => {
      const record = this.#latest
      const writing = record === undefined ? Promise.resolve() : this.#write(record, this.#putCount)
      writing.then(resolve, reject)
      await this.#inTime(() => writing).catch(() => undefined)
    })
    // Late news of a write that was given up on.
    promise.catch(() => undefined)
    return promise
  }

  async #write(record: StateRecord, putCount: number): Promise<void> {
    await this.#options.write(record)
    this.#writtenCount = Math.max(this.#writtenCount, putCount)
    if (this.#isWanted) return
    this.#failures = 0
    this.#refusal = undefined
    this.#cancelRetry()
    this.#options.onOutcome(undefined)
  }

  #inTime(run: () => Promise<void>): Promise<void> {
    const { clock, writeTimeoutMs: limitMs, containerId } = this.#options
    const timedOut = (): OciError => {
      const message = `the state of container ${containerId} was not written within ${limitMs} ms`
      return new OciError('ERR_TIMEOUT', message, { containerId })
    }
    return withLimit({ clock, limitMs, timedOut }, run)
  }

  #refused(refusal: OciError): void {
    this.#refusal = refusal
    if (!this.#closed && this.#retryTimer === undefined) {
      const delayMs = backoffMs(retryMinMs, this.#failures, retryMaxMs)
      this.#failures += 1
      this.#retryTimer = this.#options.clock.setTimeout(() => {
        this.#retryTimer = undefined
        void this.flush()
      }, delayMs)
    }
    this.#options.onOutcome(refusal)
  }

  #cancelRetry(): void {
    if (this.#retryTimer !== undefined) this.#options.clock.clearTimeout(this.#retryTimer)
    this.#retryTimer = undefined
  }
}

function asRefusal(error: unknown, containerId: string): OciError {
  if (isOciError(error)) return error
  const message = `the state of container ${containerId} cannot be written`
  return new OciError('ERR_IO', message, { containerId, cause: error })
}
