/**
 * The exits of conmon's containers as a stream: exit files in one directory → deduplicated facts.
 *
 * Invariant: the directory is the truth and the watch a hint. Everything a hint would start, a scan finds as well:
 * at once when somebody subscribes, after trouble with the watch or the directory, after a stall of the event loop;
 * every second while somebody waits for an exit or there is no watch; every ten seconds otherwise.
 * Facts are not buffered either: as long as nobody subscribes no file is read, and subscribing starts a scan.
 *
 * Deliberately not here: what a container is, when its exit counts as recorded, and files of ids nobody expects; those
 * are left alone, since they may be another program's or those of a container that is adopted in a moment.
 */
import { opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { Observable, Subject } from 'rxjs'
import { systemClock, type Clock } from '../surroundings/clock.ts'
import { validId } from '../container-fields.ts'
import { OciError } from '../errors/index.ts'
import type { ExitFact, ExitSource } from '../impl/runtime-impl.ts'
import { silentLogger, type Logger } from '../surroundings/logger.ts'
import { containedObservable } from '../surroundings/contained-observable.ts'
import { createExitFileRemoval, type ExitFileRemoval } from './exit-file-removal.ts'
import { readExitFile } from './exit-file.ts'
import { createLanes } from './lanes.ts'
import {
  createWatchedDirectory,
  watchWithInotify,
  type WatchedDirectory,
  type WatchFactory,
} from './watched-directory.ts'

export interface ExitEventsOptions {
  /** conmon's `--exit-dir`; made with mode 0700 when it is missing, now or later. */
  readonly directory: string
  readonly logger?: Logger
  /** How often to scan while somebody waits for an exit; also how soon a stall of the event loop is noticed. Default 1000. */
  readonly scanBusyMs?: number
  /** How often to scan while exits are expected but nobody waits. Default 10000. */
  readonly scanIdleMs?: number
  readonly watch?: WatchFactory
  readonly clock?: Clock
}

export interface ExitEvents extends ExitSource {
  /**
   * As the port says. Errors: ERR_IO when the file cannot be removed after a few tries; the id is forgotten all the same,
   * and what stays there is not reported again. Await it before the id's next run begins: it removes what it finds.
   */
  discard(id: string): Promise<void>
  /**
   * Says whether something waits for the exit of `id`: scans come every second until it is reported or discarded.
   * Ignored for an id that is not expected or has been reported.
   */
  urgent(id: string, waiting: boolean): void
  /** Completes `exits$` and releases the watch. Exit files stay. Later calls fail with ERR_CLOSED. */
  close(): Promise<void>
}

/** One cycle of expect and discard. A new cycle of the same id is a new object, so that late results of the old one are told apart. */
interface Expectation {
  readonly id: string
  warned: boolean
  /** A look that has not begun: it will see whatever its caller wants seen. */
  queued: Promise<void> | undefined
}

/** Reading takes four calls in libuv's pool of four threads, which the embedder uses as well. */
const looksMax = 8
/** How late a tick must be for the event loop to have stalled: long enough for a full inotify queue. */
const stallMinMs = 500

/** Opens the directory, creating it if necessary, and watches it. Rejects with ERR_IO when it cannot be had. */
export async function openExitEvents(options: ExitEventsOptions): Promise<ExitEvents> {
  const events = new DirectoryExitEvents(options)
  await events.open()
  return events
}

class DirectoryExitEvents implements ExitEvents {
  readonly exits$: Observable<ExitFact>
  readonly #directory: string
  readonly #log: Logger
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #scanIdleMs: number
  readonly #watched: WatchedDirectory
  readonly #facts = new Subject<ExitFact>()

  /** Expected and not yet reported; then reported and not yet discarded. */
  readonly #pending = new Map<string, Expectation>()
  readonly #reported = new Set<string>()
  readonly #urgent = new Set<string>()
  readonly #removal: ExitFileRemoval

  /** At most one look per pending id waits here. */
  readonly #looks = createLanes(looksMax)
  #timer: unknown
  #idleScanDueMs = 0
  #queuedScan: Promise<void> | undefined
  #lastScan: Promise<void> = Promise.resolve()
  #scanFailed = false
  #closing: Promise<void> | undefined

  constructor(options: ExitEventsOptions) {
    this.#directory = options.directory
    this.#log = options.logger ?? silentLogger
    this.#clock = options.clock ?? systemClock
    this.#scanIdleMs = options.scanIdleMs ?? 10_000
    this.#tickMs = Math.min(options.scanBusyMs ?? 1000, this.#scanIdleMs)
    this.#removal = createExitFileRemoval({
      pathOf: (id) => this.#path(id),
      clock: this.#clock,
      log: this.#log,
    })
    this.#watched = createWatchedDirectory({
      directory: options.directory,
      listener: {
        changed: (name) => {
          this.#hint(name)
        },
        doubt: () => {
          this.#scanSoon()
        },
      },
      watch: options.watch ?? watchWithInotify,
      clock: this.#clock,
      log: this.#log,
      rearmMinMs: this.#tickMs,
    })
    this.exits$ = containedObservable(this.#observable(), (error) => {
      this.#log.error({ err: error }, 'a subscriber of the exits threw')
    })
  }

  open(): Promise<void> {
    return this.#watched.ensure()
  }

  expect(id: string): void {
    validId(id)
    this.#assertOpen()
    if (this.#pending.has(id) || this.#reported.has(id)) return
    const expectation: Expectation = { id, warned: false, queued: undefined }
    this.#pending.set(id, expectation)
    // The first one after a rest doubts the directory itself, which nobody has looked after in the meantime.
    if (this.#timer === undefined) this.#scanSoon()
    else void this.#look(expectation)
    this.#arrange()
  }

  urgent(id: string, waiting: boolean): void {
    if (!waiting || !this.#pending.has(id)) {
      this.#urgent.delete(id)
      return
    }
    const first = this.#urgent.size === 0
    this.#urgent.add(id)
    if (first) this.#scanSoon()
  }

  async discard(id: string): Promise<void> {
    validId(id)
    this.#assertOpen()
    this.#pending.delete(id)
    this.#reported.delete(id)
    this.#urgent.delete(id)
    this.#arrange()
    try {
      await this.#removal.remove(id)
    } finally {
      // Expected anew meanwhile: its looks were held back so as not to see the old file.
      const successor = this.#pending.get(id)
      if (successor !== undefined) void this.#look(successor)
    }
  }

  async scan(): Promise<void> {
    this.#assertOpen()
    // A scan that has not begun will see all there is; one that runs may have passed by.
    this.#queuedScan ??= this.#enqueueScan()
    await this.#queuedScan
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown()
    return this.#closing
  }

  #observable(): Observable<ExitFact> {
    return new Observable((subscriber) => {
      const subscription = this.#facts.subscribe(subscriber)
      this.#arrange()
      this.#scanSoon()
      return () => {
        subscription.unsubscribe()
        this.#arrange()
      }
    })
  }

  /** True while finding an exit would be of use to somebody. */
  get #listening(): boolean {
    return this.#closing === undefined && this.#pending.size > 0 && this.#facts.observed
  }

  #hint(name: string): void {
    // conmon writes `<id>.XXXXXX` and renames it. Nothing is guessed from a name: ids may have dots too.
    const expectation = this.#pending.get(name)
    if (expectation !== undefined) void this.#look(expectation)
  }

  /** The tick exists while it is of use. It costs a comparison, unless a scan is due. */
  #arrange(): void {
    if (this.#listening === (this.#timer !== undefined)) return
    if (this.#timer !== undefined) {
      this.#clock.clearTimeout(this.#timer)
      this.#timer = undefined
      return
    }
    const dueMs = this.#clock.now() + this.#tickMs
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined
      this.#arrange()
      this.#tick(dueMs)
    }, this.#tickMs)
  }

  #tick(dueMs: number): void {
    const nowMs = this.#clock.now()
    const stalled = nowMs - dueMs > stallMinMs
    const idleScanDue = nowMs + this.#tickMs / 2 >= this.#idleScanDueMs
    if (stalled || idleScanDue || this.#urgent.size > 0 || !this.#watched.armed) this.#scanSoon()
  }

  #scanSoon(): void {
    if (this.#closing === undefined) void this.#tryScan()
  }

  async #tryScan(): Promise<void> {
    try {
      await this.scan()
      this.#scanFailed = false
    } catch (error) {
      if (!this.#scanFailed) this.#log.error({ err: error }, 'exits cannot be looked for; trying again')
      this.#scanFailed = true
      // Due again at the next tick.
      this.#idleScanDueMs = 0
    }
  }

  #enqueueScan(): Promise<void> {
    const scan = this.#lastScan.then(() => {
      this.#queuedScan = undefined
      return this.#scanNow()
    })
    this.#lastScan = settled(scan)
    return scan
  }

  async #scanNow(): Promise<void> {
    if (this.#closing !== undefined) return
    this.#idleScanDueMs = this.#clock.now() + this.#scanIdleMs
    await this.#watched.ensure()
    if (!this.#listening) return
    const looks: Promise<void>[] = []
    try {
      for await (const entry of await opendir(this.#directory, { bufferSize: 256 })) {
        const expectation = this.#pending.get(entry.name)
        if (expectation !== undefined) looks.push(this.#look(expectation))
      }
    } catch (error) {
      throw new OciError('ERR_IO', `exit directory ${this.#directory} cannot be listed`, {
        file: this.#directory,
        cause: error,
      })
    } finally {
      await Promise.all(looks)
    }
  }

  #look(expectation: Expectation): Promise<void> {
    expectation.queued ??= this.#looks.run(() => {
      expectation.queued = undefined
      return this.#lookNow(expectation)
    })
    return expectation.queued
  }

  async #lookNow(expectation: Expectation): Promise<void> {
    const { id } = expectation
    if (!this.#mayReport(expectation)) return
    const reading = await readExitFile(this.#path(id))
    // Everything may have changed while we read: discarded, expected anew, reported by another look.
    if (!this.#mayReport(expectation) || reading.kind === 'absent') return
    if (reading.kind === 'unreadable') {
      this.#warnOnce(expectation, reading.why, reading.cause)
      return
    }
    if (this.#removal.isLeftOver(id, reading.version)) return
    this.#pending.delete(id)
    this.#reported.add(id)
    this.#urgent.delete(id)
    this.#arrange()
    this.#facts.next({ id, code: reading.code, finished: reading.finished })
  }

  #mayReport(expectation: Expectation): boolean {
    return (
      this.#listening &&
      this.#pending.get(expectation.id) === expectation &&
      !this.#removal.isRemoving(expectation.id)
    )
  }

  #warnOnce(expectation: Expectation, why: string, cause: unknown): void {
    if (expectation.warned) return
    expectation.warned = true
    const fields = { containerId: expectation.id, file: this.#path(expectation.id), why, err: cause }
    this.#log.warn(fields, 'the exit file says nothing yet; it is read again at every scan')
  }

  async #shutDown(): Promise<void> {
    // Runs up to here only once `#closing` is set: everything that starts work looks at it.
    await Promise.resolve()
    this.#arrange()
    await this.#lastScan
    await Promise.all([this.#looks.idle(), this.#removal.idle()])
    this.#watched.close()
    this.#facts.complete()
  }

  #path(id: string): string {
    return join(this.#directory, id)
  }

  #assertOpen(): void {
    if (this.#closing === undefined) return
    throw new OciError('ERR_CLOSED', 'the exit stream is closed; open another one')
  }
}

/** Resolves when `promise` is over, well or badly: who made it sees the error. */
async function settled(promise: Promise<unknown>): Promise<void> {
  await Promise.allSettled([promise])
}
