/**
 * One subscriber's events: an async iterator with a bounded buffer. A subscriber that does not keep up loses the oldest
 * and is told how many, in their place; it delays nobody.
 *
 * Deliberately not an async generator: `return()` of a generator that waits for the next event would wait with it.
 */
import { OciError } from '../errors/index.ts'
import { BoundedQueue } from './bounded-queue.ts'
import type { EventPredicate } from './event-filter.ts'
import type { ContainerEvent, DroppedEvent, SupervisorEvent } from './event-types.ts'

export interface EventStreamOptions {
  readonly bufferMax: number
  readonly passes: EventPredicate
  readonly signal: AbortSignal | undefined
  /** What there is already; a gap before it is part of it. */
  readonly backlog: Iterable<SupervisorEvent>
  /** Called for each event that had to leave the full buffer. */
  readonly onDropped: () => void
  /** Called once, when the stream takes no more events. */
  readonly onEnd: (stream: EventStream) => void
}

type Result = IteratorResult<SupervisorEvent, undefined>

interface PendingRead {
  resolve(result: Result): void
  reject(error: OciError): void
}

const finished: Result = { done: true, value: undefined }

export class EventStream implements AsyncIterator<SupervisorEvent, undefined> {
  readonly #options: EventStreamOptions
  /** Bounded by the history it was copied from. */
  readonly #backlog: SupervisorEvent[] = []
  readonly #buffer: BoundedQueue<ContainerEvent>
  /** Stands before the buffer: always the oldest are dropped. */
  #gap: DroppedEvent | undefined
  /** Reads that wait for an event; only while backlog and buffer are empty. */
  readonly #reads: PendingRead[] = []
  #ended = false
  #error: OciError | undefined

  constructor(options: EventStreamOptions) {
    this.#options = options
    this.#buffer = new BoundedQueue(options.bufferMax)
    if (options.signal?.aborted === true) {
      this.#abort()
      return
    }
    options.signal?.addEventListener('abort', this.#abort, { once: true })
    for (const event of options.backlog) {
      if (event.type === 'dropped' || this.#passes(event)) this.#backlog.push(event)
    }
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Takes an event. Never throws and runs no code of the subscriber but its filter. */
  push(event: ContainerEvent): void {
    if (this.#ended || !this.#passes(event)) return
    const read = this.#reads.shift()
    if (read === undefined) this.#keep(event)
    else read.resolve({ done: false, value: event })
  }

  /** No more events will come: the iteration ends after those that are there. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#options.signal?.removeEventListener('abort', this.#abort)
    for (const read of this.#reads.splice(0)) read.resolve(finished)
    this.#options.onEnd(this)
  }

  next(): Promise<Result> {
    const value = this.#take()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.#error !== undefined) return Promise.reject(this.#takeError(this.#error))
    if (this.#ended) return Promise.resolve(finished)
    return new Promise((resolve, reject) => {
      this.#reads.push({ resolve, reject })
    })
  }

  return(): Promise<Result> {
    this.#abort()
    return Promise.resolve(finished)
  }

  #abort = (): void => {
    this.end()
    this.#backlog.length = 0
    this.#buffer.clear()
    this.#gap = undefined
  }

  #keep(event: ContainerEvent): void {
    const lost = this.#buffer.push(event)
    if (lost === undefined) return
    this.#options.onDropped()
    this.#gap = {
      type: 'dropped',
      count: (this.#gap?.count ?? 0) + 1,
      cursor: this.#gap?.cursor ?? lost.cursor,
    }
  }

  #take(): SupervisorEvent | undefined {
    const replayed = this.#backlog.shift()
    if (replayed !== undefined) return replayed
    const gap = this.#gap
    this.#gap = undefined
    return gap ?? this.#buffer.shift()
  }

  /** A filter that throws ends its own subscription, and nobody else's. */
  #passes(event: ContainerEvent): boolean {
    if (this.#ended) return false
    try {
      return this.#options.passes(event)
    } catch (cause) {
      this.#fail(new OciError('ERR_INVALID_ARGUMENT', 'filter must not throw', { field: 'filter', cause }))
      return false
    }
  }

  #fail(error: OciError): void {
    // The filter itself may have ended the stream.
    if (this.#ended) return
    const read = this.#reads.shift()
    if (read === undefined) this.#error = error
    else read.reject(error)
    this.end()
  }

  #takeError(error: OciError): OciError {
    this.#error = undefined
    return error
  }
}
