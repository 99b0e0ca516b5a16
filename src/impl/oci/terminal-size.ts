/**
 * Sets the size of a container's terminal through its monitor, so that the last size asked for is the one that stays.
 *
 * conmon handles one line of what it reads at once and drops the rest (control-fifo.ts). So the next size is not written
 * before the last one has been read, which the FIFO's times of access and modification tell; and when it has become
 * quiet the last size is sent once more, in case somebody else's line was read together with it.
 */
import { stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { isOciError } from '../../errors/index.ts'
import { checkTerminalSize } from '../attach-client/terminal-sizes.ts'
import type { TerminalSize } from '../terminal-size.ts'
import { sendControlLine } from './control-fifo.ts'
import { waitUntil } from '../host/waiting.ts'

/** conmon reads within a millisecond, unless it is stopped. */
const readMaxMs = 2000
/** The same once it has failed: where access times are not kept (noatime) the reading is never seen. */
const unseenMaxMs = 100
const quietMs = 100

export class TerminalSizes {
  readonly #fifo: string
  readonly #containerId: string
  readonly #over: AbortSignal
  #wanted: TerminalSize | undefined
  #setting: Promise<void> | undefined
  #readMaxMs = readMaxMs

  /** `over` ends it: what was not written by then never is. */
  constructor(fifo: string, containerId: string, over: AbortSignal) {
    this.#fifo = fifo
    this.#containerId = containerId
    this.#over = over
  }

  /**
   * Resolves when this size, or a later one, has been read by the monitor. Rejects with ERR_INVALID_ARGUMENT, and with
   * what a dead monitor's FIFO makes of it (control-fifo.ts).
   */
  async set({ width, height }: TerminalSize): Promise<void> {
    checkTerminalSize({ width, height })
    this.#wanted = { width, height }
    this.#setting ??= this.#setAll()
    await this.#setting
  }

  async #setAll(): Promise<void> {
    let last: TerminalSize | undefined
    try {
      while (this.#wanted !== undefined && !this.#over.aborted) {
        last = this.#wanted
        this.#wanted = undefined
        await this.#write(last)
      }
    } finally {
      this.#setting = undefined
    }
    if (last !== undefined) void this.#repeatWhenQuiet(last)
  }

  async #repeatWhenQuiet(size: TerminalSize): Promise<void> {
    await delay(quietMs, undefined, { ref: false })
    if (this.#setting !== undefined || this.#over.aborted) return
    // It is a second try of something that succeeded: if the monitor is gone by now, so is the terminal.
    await this.#write(size).catch(() => undefined)
  }

  async #write({ width, height }: TerminalSize): Promise<void> {
    await sendControlLine(this.#fifo, { kind: 'resize', columns: width, rows: height }, this.#containerId)
    try {
      const seen = await waitUntil(() => this.#isRead(), this.#readMaxMs, this.#over)
      this.#readMaxMs = seen ? readMaxMs : unseenMaxMs
    } catch (error) {
      if (!isOciError(error) || error.code !== 'ERR_ABORTED') throw error
    }
  }

  async #isRead(): Promise<boolean> {
    try {
      const { atimeNs, mtimeNs } = await stat(this.#fifo, { bigint: true })
      return atimeNs >= mtimeNs
    } catch {
      return true // The bundle is gone: nobody is going to read any more.
    }
  }
}
