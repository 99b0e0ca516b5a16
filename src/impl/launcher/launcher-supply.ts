/**
 * At most one launcher process, started when somebody wants one. A launcher that cannot be started is not tried for ever:
 * after {@link startFailuresMax} failures in {@link startFailuresWindowMs} those who want one are told why.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf, OciError } from '../../errors/index.ts'
import { within } from './deadlines.ts'
import { type LauncherLogger, type LauncherProcess } from './launcher-process.ts'

const startFailuresMax = 5
const startFailuresWindowMs = 10_000
const startPauseMs = 100

export interface LauncherSupplyOptions {
  readonly start: () => Promise<LauncherProcess>
  readonly logger: LauncherLogger
  readonly onLost: (process: LauncherProcess, reason: string) => void
}

export class LauncherSupply {
  readonly #options: LauncherSupplyOptions
  #current: LauncherProcess | undefined
  #starting: Promise<LauncherProcess> | undefined
  #failures: { readonly atMs: number; readonly reason: string }[] = []
  #closed = false

  constructor(options: LauncherSupplyOptions) {
    this.#options = options
  }

  get current(): LauncherProcess | undefined {
    return this.#current
  }

  /** The running launcher, or a new one. Throws ERR_LAUNCHER_LOST when none can be started, ERR_CLOSED. */
  acquire(): Promise<LauncherProcess> {
    if (this.#current !== undefined) return Promise.resolve(this.#current)
    this.#starting ??= this.#startUntilItStands().finally(() => (this.#starting = undefined))
    return this.#starting
  }

  /** One attempt to start it, for an embedder who wants to know at once. Throws ERR_LAUNCHER_LOST. */
  async open(): Promise<void> {
    if (!(await this.#startOnce())) throw this.#lost('the launcher did not start')
  }

  /** Has the launcher end by itself. With a grace that is waited for, and a launcher that needs longer is ended. */
  async close(graceMs: number | undefined): Promise<void> {
    this.#closed = true
    await Promise.allSettled([this.#starting])
    const process = this.#current
    if (process === undefined) return
    process.disconnect()
    if (graceMs === undefined || (await within(process.exited, graceMs)) !== undefined) return
    await process.end()
  }

  async #startUntilItStands(): Promise<LauncherProcess> {
    for (;;) {
      if (this.#closed) throw new OciError('ERR_CLOSED', 'the launcher is closed')
      const oldestMs = performance.now() - startFailuresWindowMs
      this.#failures = this.#failures.filter(({ atMs }) => atMs > oldestMs)
      if (this.#failures.length >= startFailuresMax)
        throw this.#lost(
          `the launcher did not start ${startFailuresMax} times within ${startFailuresWindowMs} ms`,
        )
      const process = await this.#startOnce()
      if (process !== undefined) return process
      await delay(startPauseMs)
    }
  }

  async #startOnce(): Promise<LauncherProcess | undefined> {
    const { start, logger } = this.#options
    try {
      const process = await start()
      this.#current = process
      void this.#mourn(process)
      return process
    } catch (error) {
      const reason = messageOf(error)
      this.#failures.push({ atMs: performance.now(), reason })
      logger.warn({ reason }, 'the launcher did not start')
      return undefined
    }
  }

  async #mourn(process: LauncherProcess): Promise<void> {
    const reason = await process.ended
    // In one turn: whoever sees the process as current is sure to be told of its end.
    if (this.#current === process) this.#current = undefined
    this.#options.onLost(process, reason)
  }

  #lost(what: string): OciError {
    const reason = this.#failures.at(-1)?.reason ?? 'unknown'
    return new OciError('ERR_LAUNCHER_LOST', `${what}: ${reason}`)
  }
}
