/**
 * The exits of RuntimeVM. They are told of at once. Nobody like conmon leaves an exit file for us, so we do: in conmon's
 * format, so that the same stream tells of it after a restart, until it is recorded, and operators find one convention.
 *
 * An exit file that the disk refuses is written when the disk takes it.
 */
import { randomBytes } from 'node:crypto'
import { rename, rm, utimes, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { filter, merge, Subject, type Observable } from 'rxjs'
import { timestampFromNs } from '../../timestamp.ts'
import type { Logger } from '../../surroundings/logger.ts'
import type { ExitFact, ExitSource } from '../runtime-impl.ts'

const nanosPerSecond = 1_000_000_000n
const retryMinMs = 1000
const retryMaxMs = 60_000

export interface VmExitsOptions {
  /** Finds exit files. */
  readonly source: ExitSource
  readonly directory: string
  readonly logger: Logger
}

export class VmExits implements ExitSource {
  readonly exits$: Observable<ExitFact>
  readonly #source: ExitSource
  readonly #directory: string
  readonly #logger: Logger
  readonly #direct = new Subject<ExitFact>()
  /** Told of directly, so not again by the file. */
  readonly #told = new Set<string>()
  /** The exit file that was last begun to be written: it is not to appear once the exit is discarded. */
  readonly #writing = new Map<string, Promise<void>>()
  /** Counts the lives of an id: what is left to write of an earlier one is not written. */
  readonly #lives = new Map<string, symbol>()

  constructor({ source, directory, logger }: VmExitsOptions) {
    this.#source = source
    this.#directory = directory
    this.#logger = logger
    this.exits$ = merge(source.exits$.pipe(filter(({ id }) => !this.#told.has(id))), this.#direct)
  }

  expect(id: string): void {
    this.#lives.set(id, Symbol(id))
    this.#told.delete(id)
    this.#source.expect(id)
  }

  async discard(id: string): Promise<void> {
    this.#lives.delete(id)
    this.#told.delete(id)
    await this.#writing.get(id)?.catch(() => undefined)
    this.#writing.delete(id)
    await this.#source.discard(id)
  }

  scan(): Promise<void> {
    return this.#source.scan()
  }

  urgent(id: string, waiting: boolean): void {
    this.#source.urgent(id, waiting)
  }

  /** The process of a container has ended. Called once for each life of it. Never rejects. */
  async report(id: string, status: number, finishedNs: bigint): Promise<void> {
    const life = this.#lives.get(id)
    if (life === undefined) return
    const code = exitCodeOf(status)
    const writing = this.#write(id, code, finishedNs)
    this.#writing.set(id, writing)
    // Whoever comes later finds the file.
    if (this.#direct.observed) this.#told.add(id)
    this.#direct.next({ id, code, finished: timestampFromNs(finishedNs) })
    try {
      await writing
    } catch (error) {
      this.#logger.error({ containerId: id, err: error }, 'the exit file of a container cannot be written')
      if (this.#lives.get(id) === life) void this.#writeLater(id, code, finishedNs, life)
    }
  }

  /** Until it is recorded, a restart would find no exit at all. */
  async #writeLater(id: string, code: number, finishedNs: bigint, life: symbol): Promise<void> {
    for (let pauseMs = retryMinMs; ; pauseMs = Math.min(2 * pauseMs, retryMaxMs)) {
      await delay(pauseMs, undefined, { ref: false })
      if (this.#lives.get(id) !== life) return
      try {
        const writing = this.#write(id, code, finishedNs)
        this.#writing.set(id, writing)
        await writing
        return
      } catch (error) {
        this.#logger.debug({ containerId: id, err: error }, 'an exit file still cannot be written')
      }
    }
  }

  /** As conmon does it: nobody sees half a file. Its time is that of the exit. */
  async #write(id: string, code: number, finishedNs: bigint): Promise<void> {
    const file = `${this.#directory}/${id}`
    const temporary = `${file}.${randomBytes(3).toString('hex')}`
    // To a quarter of a microsecond: that is how exact a number of Node's is today.
    const finishedSeconds =
      Number(finishedNs / nanosPerSecond) + Number(finishedNs % nanosPerSecond) / Number(nanosPerSecond)
    try {
      await writeFile(temporary, `${code}`, { mode: 0o600 })
      await utimes(temporary, finishedSeconds, finishedSeconds)
      await rename(temporary, file)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }
}

/** Of what a shim says: the kernel has eight bits for it. */
export function exitCodeOf(status: number): number {
  return status & 0xff
}
