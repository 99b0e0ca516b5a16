/**
 * One container on disk: its place, its latest state, and when the evidence of its exit may go.
 *
 * Invariant: an exit file is removed only after the state that records the exit is on disk. While the disk refuses, the
 * file is what a restart has to go by.
 */
import { withLimit } from '../surroundings/abort.ts'
import type { Clock } from '../surroundings/clock.ts'
import type { Container } from '../container.ts'
import { OciError } from '../errors/index.ts'
import type { ExitSource } from '../impl/runtime-impl.ts'
import type { Logger } from '../surroundings/logger.ts'
import type { StateDirectory } from '../store/state-directory.ts'
import type { StateRecord } from '../store/state-record.ts'
import type { Lanes } from './lanes.ts'
import { StateRecorder } from './state-recorder.ts'

export interface ContainerDiskOptions {
  readonly container: Container
  readonly directory: StateDirectory
  readonly exits: ExitSource
  readonly lanes: Lanes
  readonly clock: Clock
  readonly logger: Logger
  readonly writeTimeoutMs: number
  /** What is there of a container that has its place already. */
  readonly onDisk: StateRecord | undefined
}

export class ContainerDisk {
  readonly #options: ContainerDiskOptions
  readonly #recorder: StateRecorder
  #prepared: boolean
  /** It has a place, or had one until it was being forgotten. */
  #hadPlace: boolean
  #preparing: Promise<void> | undefined
  /** What was to be recorded before there was a place for it. */
  #early: StateRecord | undefined
  #fingerprint = ''
  #exitIsOver = false
  /** The disk has refused a state that was then given up for being removed. */
  #isOutdated = false

  constructor(options: ContainerDiskOptions) {
    const { container, directory, lanes, clock, writeTimeoutMs } = options
    this.#options = options
    this.#prepared = options.onDisk !== undefined
    this.#hadPlace = this.#prepared
    // What has not changed over a restart is not written again.
    if (options.onDisk !== undefined) this.#fingerprint = fingerprintOf(options.onDisk)
    this.#recorder = new StateRecorder({
      containerId: container.id,
      write: (record) => directory.write(container, record),
      lanes,
      clock,
      writeTimeoutMs,
      onOutcome: (error) => {
        if (error !== undefined) {
          this.#complain(error)
          return
        }
        this.#isOutdated = false
        void this.#discardExit()
      },
    })
  }

  /** Its place was never made: nothing has been begun for it. */
  get hasNoPlace(): boolean {
    return !this.#hadPlace
  }

  get isBehind(): boolean {
    return this.#recorder.isBehind
  }

  /** True while the disk refuses the latest state. */
  get refuses(): boolean {
    return this.#recorder.refusal !== undefined && this.#recorder.isBehind
  }

  /**
   * Makes the container's place, with the state put last in it: whatever is begun after that is found by a restart.
   * ERR_IO, ERR_INVALID_ARGUMENT, ERR_CONTAINER_EXISTS.
   */
  async prepare(): Promise<void> {
    const first = this.#early
    if (first === undefined) throw nothingToPrepare(this.#options.container)
    const { directory, container } = this.#options
    this.#preparing ??= this.#inLane(() => directory.prepare(container, first)).finally(() => {
      this.#preparing = undefined
    })
    await this.#preparing
    this.#prepared = true
    this.#hadPlace = true
    const early = this.#early
    this.#early = undefined
    if (early !== undefined && early !== first) this.#recorder.put(early)
  }

  /** What syncs takes its turn with the writes of states. The lane is lent for as long as a write may take. */
  #inLane(run: () => Promise<void>): Promise<void> {
    const { container, lanes, clock, writeTimeoutMs: limitMs } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    void lanes.run(async () => {
      const running = run()
      running.then(resolve, reject)
      const timedOut = (): OciError =>
        new OciError('ERR_TIMEOUT', `the disk has not answered within ${limitMs} ms`, {
          containerId: container.id,
        })
      await withLimit({ clock, limitMs, timedOut }, () => running).catch(() => undefined)
    })
    return promise
  }

  /** Records a state, unless it is the one recorded last. One that is `passing` is written only if somebody waits for it. */
  put(record: StateRecord, isPassing = false): void {
    const fingerprint = fingerprintOf(record)
    if (fingerprint === this.#fingerprint) return
    this.#fingerprint = fingerprint
    if (!this.#prepared) this.#early = record
    else if (isPassing) this.#recorder.putLazily(record)
    else this.#recorder.put(record)
  }

  /** Resolves when the latest state is on disk, rejects when it is refused or takes too long. */
  flush(): Promise<void> {
    return this.#recorder.flush()
  }

  /** Nobody needs the exit file any more, once the state is on disk. */
  exitIsOver(): void {
    this.#exitIsOver = true
    void this.#discardExit()
  }

  /** Removes the container. What is being written for it ends first: it would come back. */
  async forget(): Promise<void> {
    const { directory, container, exits } = this.#options
    await this.#preparing?.catch(() => undefined)
    await this.flush().catch(() => {
      this.#isOutdated = true
    })
    this.#prepared = false
    this.#early = undefined
    await this.#recorder.drop()
    const discard = async (): Promise<void> => {
      // Without a place it never ran, and an exit of that id is another's.
      if (this.#hadPlace) await exits.discard(container.id)
    }
    // As long as a restart may find a state that says that it lives, the evidence of its exit stays.
    if (!this.#isOutdated) await discard()
    const onUnlisted = (): Promise<void> => (this.#isOutdated ? discard() : Promise.resolve())
    await this.#inLane(() => directory.forget(container, onUnlisted))
  }

  /** The container was to be forgotten, and could not be: it needs its state again. */
  keep(): void {
    if (this.#prepared) return
    this.#prepared = true
    this.#fingerprint = ''
  }

  close(): Promise<void> {
    return this.#recorder.close()
  }

  async #discardExit(): Promise<void> {
    if (!this.#exitIsOver || this.#recorder.isBehind) return
    this.#exitIsOver = false
    const { exits, container, logger } = this.#options
    try {
      await exits.discard(container.id)
    } catch (error) {
      // Deleting the container tries again.
      logger.warn({ containerId: container.id, err: error }, 'the exit file cannot be removed')
    }
  }

  #complained = false

  #complain(error: OciError): void {
    if (this.#complained) return
    this.#complained = true
    const { container, logger } = this.#options
    logger.error({ containerId: container.id, err: error }, 'the state cannot be written; retrying')
  }
}

function nothingToPrepare({ id: containerId }: Container): OciError {
  const message = `container ${containerId} was to get its place before it had a state`
  return new OciError('ERR_INTERNAL', message, { containerId })
}

/** Everything in it that can change by itself. Annotations cannot, and may be half a megabyte. */
function fingerprintOf({ state, own }: StateRecord): string {
  const { annotations: _, durable: __, ...content } = state
  const { since: ___, ...ours } = own
  return JSON.stringify([content, ours])
}
