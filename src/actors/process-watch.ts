/**
 * The processes of one container, its monitor and its init: either may end, or fall silent, without the other saying so.
 * Deliberately not here: what their end means.
 */
import type { Created, ExitSource, ProcessIdentity } from '../impl/runtime-impl.ts'
import type { Logger } from '../surroundings/logger.ts'
import type { MonitorProbe } from './monitor-probe.ts'

export interface ProcessWatchOptions {
  readonly containerId: string
  readonly probe: MonitorProbe
  readonly exits: ExitSource
  readonly logger: Logger
  readonly init: () => ProcessIdentity | undefined
  /** False once the end of the monitor is no news: the exit has been reported, or there is nothing left to end. */
  readonly minds: () => boolean
  /** The monitor died, and has left no exit. */
  readonly onMonitorLost: () => void
  readonly onInitGone: () => void
}

export class ProcessWatch {
  readonly #options: ProcessWatchOptions
  readonly #ends = new Set<() => void>()
  #initIsWatched = false
  /** The monitor, where a probe has to look at it. */
  #probed: ProcessIdentity | undefined

  constructor(options: ProcessWatchOptions) {
    this.#options = options
  }

  /** A created or adopted container's monitor. */
  monitor({ monitor, monitorGone }: Pick<Created, 'monitor' | 'monitorGone'>): void {
    if (monitorGone !== undefined) void monitorGone.then(() => this.#monitorEnded())
    else if (monitor !== undefined) this.#probe(monitor)
  }

  init(): void {
    const init = this.#options.init()
    if (init === undefined || this.#initIsWatched) return
    this.#initIsWatched = true
    this.#ends.add(this.#options.probe.watch(init, this.#options.onInitGone))
  }

  /** Watches on after {@link stop}. */
  resume(): void {
    if (this.#probed !== undefined) this.#probe(this.#probed)
  }

  stop(): void {
    for (const end of this.#ends) end()
    this.#ends.clear()
    this.#initIsWatched = false
  }

  #probe(monitor: ProcessIdentity): void {
    this.#probed = monitor
    this.#ends.add(
      this.#options.probe.watch(monitor, () => {
        this.#probed = undefined
        void this.#monitorEnded()
      }),
    )
  }

  /** The end of a monitor follows every exit, so the exit is looked for first. */
  async #monitorEnded(): Promise<void> {
    const { exits, minds, containerId, logger, onMonitorLost } = this.#options
    if (!minds()) return
    try {
      await exits.scan()
    } catch (error) {
      // An exit that cannot be looked for is not absent, but it is found later all the same.
      logger.warn({ containerId, err: error }, 'the monitor ended and exits cannot be looked for')
    }
    if (!minds()) return
    onMonitorLost()
    this.init()
  }
}
