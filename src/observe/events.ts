/**
 * The event stream of a runtime: everything that happens to its containers, in one order, with a cursor to come back to.
 *
 * Deliberately not here: anything that waits. Publishing is synchronous and cannot fail; whoever is slow loses events and
 * is told so. Nothing is kept on disk: after a restart the containers' states are the truth, not their past.
 */
import { randomUUID } from 'node:crypto'
import { Subject, type Observable } from 'rxjs'
import { containedObservable } from '../surroundings/contained-observable.ts'
import { systemClock, timestampOf, type Clock } from '../surroundings/clock.ts'
import { OciError } from '../errors/index.ts'
import { silentLogger, type Logger } from '../surroundings/logger.ts'
import type { LifecycleEvent } from '../machines/events.ts'
import { BoundedQueue, validMax } from './bounded-queue.ts'
import { predicateOf, type EventPredicate } from './event-filter.ts'
import { EventStream } from './event-stream.ts'
import type {
  ContainerEvent,
  EventCursor,
  EventsOptions,
  ExecEvent,
  PhaseEvent,
  SupervisorEvent,
} from './event-types.ts'

export type {
  ContainerEvent,
  ContainerEventType,
  DroppedEvent,
  EventCursor,
  EventFilter,
  EventsOptions,
  ExecEvent,
  PhaseEvent,
  SupervisorEvent,
} from './event-types.ts'

export interface EventLogOptions {
  /** Events kept for `since`. Default 1000; 0 keeps none. */
  readonly historyMax?: number
  /** Events that wait for one subscriber before the oldest are dropped. Default 1000. */
  readonly subscriberBufferMax?: number
  /** Default: a new one. */
  readonly epoch?: string
  readonly clock?: Clock
  /** Told what a subscriber of `events$` throws. */
  readonly logger?: Logger
}

const eventsKeptMax = 1000

/** A log without past and subscribers. Throws ERR_INVALID_ARGUMENT naming the limit that is not one. */
export function createEventLog(options: EventLogOptions = {}): EventLog {
  return new EventLog(options)
}

export class EventLog {
  readonly #epoch: string
  readonly #clock: Clock
  readonly #history: BoundedQueue<ContainerEvent>
  readonly #subscriberBufferMax: number
  /** With the last event that each had from the history when it joined. */
  readonly #streams = new Map<EventStream, number>()
  readonly #live = new Subject<ContainerEvent>()
  /** Published and not delivered yet: only while a subscriber's reaction to an event publishes the next. */
  readonly #outbox: ContainerEvent[] = []
  #delivering = false
  #closed = false
  #seq = 0
  #dropped = 0

  /**
   * The events as they happen, delivered synchronously: a subscriber that takes its time takes it from everybody.
   * Completes when the runtime is closed. What a subscriber's `next` throws is contained; what operators of a `pipe` or
   * subscribers behind them throw, RxJS reports as it always does.
   */
  readonly events$: Observable<ContainerEvent>

  constructor(options: EventLogOptions) {
    this.#epoch = options.epoch ?? randomUUID()
    this.#clock = options.clock ?? systemClock
    this.#history = new BoundedQueue(validMax('historyMax', options.historyMax ?? eventsKeptMax, 0))
    this.#subscriberBufferMax = validMax(
      'subscriberBufferMax',
      options.subscriberBufferMax ?? eventsKeptMax,
      1,
    )
    const logger = options.logger ?? silentLogger
    this.events$ = containedObservable(this.#live, (err) => {
      logger.warn({ err }, 'a subscriber of the events threw')
    })
  }

  /** The last event's place: what happens from now on is `since` it. */
  get cursor(): EventCursor {
    return this.#cursorAt(this.#seq)
  }

  /** Events that subscribers lost so far because they were too slow, all of them together. */
  get dropped(): number {
    return this.#dropped
  }

  /** How many iterations are under way. */
  get subscribers(): number {
    return this.#streams.size
  }

  /**
   * Tells every subscriber, in the order of the calls even where a subscriber reacts by causing another event.
   * Never throws, whatever subscribers do. Ignored once closed.
   */
  publish(containerId: string, event: LifecycleEvent | PhaseEvent | ExecEvent): void {
    if (this.#closed) return
    this.#seq += 1
    const cursor = Object.freeze(this.#cursorAt(this.#seq))
    const published = Object.freeze({ cursor, at: timestampOf(this.#clock), containerId, ...event })
    this.#history.push(published)
    this.#outbox.push(published)
    if (!this.#delivering) this.#deliver()
  }

  /**
   * Events from the time of this call on, or since the event named by `since`, as far as the history goes. Each
   * iteration has a bounded buffer of its own; what it loses shows up as a `dropped` event in the place of what is lost.
   * Ends when `signal` is aborted, and after the last event when the runtime is closed. A filter that throws ends the
   * iteration with ERR_INVALID_ARGUMENT; so does, at once, an option that is malformed.
   */
  events({ signal, filter, since }: EventsOptions = {}): AsyncIterable<SupervisorEvent> {
    const passes = predicateOf(filter)
    const from = since === undefined ? this.cursor : this.#validSince(since)
    // Whoever never iterates costs nothing: until then the history keeps the events.
    return { [Symbol.asyncIterator]: () => this.#subscribe(passes, signal, from) }
  }

  /** Ends every iteration after what it has not read yet, and completes `events$`. */
  close(): void {
    this.#closed = true
    for (const stream of this.#streams.keys()) stream.end()
    this.#live.complete()
  }

  #deliver(): void {
    this.#delivering = true
    try {
      for (let event = this.#outbox.shift(); event !== undefined; event = this.#outbox.shift()) {
        for (const [stream, joinedSeq] of this.#streams) {
          if (event.cursor.seq > joinedSeq) stream.push(event)
        }
        this.#live.next(event)
      }
    } finally {
      this.#delivering = false
    }
  }

  #subscribe(
    passes: EventPredicate,
    signal: AbortSignal | undefined,
    from: EventCursor,
  ): AsyncIterator<SupervisorEvent, undefined> {
    const stream = new EventStream({
      bufferMax: this.#subscriberBufferMax,
      passes,
      signal,
      backlog: this.#replay(from),
      onDropped: () => {
        this.#dropped += 1
      },
      onEnd: (ended) => this.#streams.delete(ended),
    })
    if (this.#closed) stream.end()
    if (!stream.ended) this.#streams.set(stream, this.#seq)
    return stream
  }

  *#replay({ epoch, seq }: EventCursor): Generator<SupervisorEvent> {
    const firstMissing = { epoch, seq: seq + 1 }
    const oldestSeq = this.#seq - this.#history.size + 1
    if (epoch !== this.#epoch) yield { type: 'dropped', count: undefined, cursor: firstMissing }
    else if (firstMissing.seq < oldestSeq) {
      yield { type: 'dropped', count: oldestSeq - firstMissing.seq, cursor: firstMissing }
    }
    for (const event of this.#history.values()) {
      if (epoch !== this.#epoch || event.cursor.seq > seq) yield event
    }
  }

  #validSince(since: EventCursor): EventCursor {
    const { epoch, seq } = since
    const isCursor = typeof epoch === 'string' && Number.isSafeInteger(seq) && seq >= 0
    if (isCursor && (epoch !== this.#epoch || seq <= this.#seq)) return { epoch, seq }
    const message = `since must be a cursor of an event that has happened; the last one has seq ${this.#seq}`
    throw new OciError('ERR_INVALID_ARGUMENT', message, { field: 'since' })
  }

  #cursorAt(seq: number): EventCursor {
    return { epoch: this.#epoch, seq }
  }
}
