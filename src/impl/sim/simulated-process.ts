/**
 * The init process of a simulated container: runs its program, takes signals, freezes and ends.
 *
 * Deliberately not here: who hears of its end (`simulated-world.ts`).
 */
import type { Clock } from '../../surroundings/clock.ts'
import { signalName } from '../../signals.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { PausableTimer } from './pausable-timer.ts'
import type { SimulatedProgram, SimulatedReaction } from './simulated-program.ts'

export interface ProcessEnd {
  readonly code: number
  readonly oomKilled: boolean
}

export interface SimulatedProcessOptions {
  readonly identity: ProcessIdentity
  readonly program: SimulatedProgram
  readonly clock: Clock
  /** The container's stop signal, which programs take like TERM. */
  readonly stopSignal: number
  /** Whether KILL ends a frozen process, or waits until it is thawed. */
  readonly killsFrozen: boolean
  onEnd(end: ProcessEnd): void
}

export const SIGKILL = 9
const SIGTERM = 15

export class SimulatedProcess {
  readonly identity: ProcessIdentity
  readonly #options: SimulatedProcessOptions
  readonly #timers: PausableTimer[] = []
  /** Every signal that was sent to it, in order, heeded or not. */
  readonly #signals: number[] = []
  #pending: number[] = []
  #started = false
  #frozen = false
  #alive = true

  constructor(options: SimulatedProcessOptions) {
    this.identity = options.identity
    this.#options = options
  }

  get alive(): boolean {
    return this.#alive
  }

  get frozen(): boolean {
    return this.#frozen
  }

  get started(): boolean {
    return this.#started
  }

  get signals(): readonly number[] {
    return [...this.#signals]
  }

  start(): void {
    this.#started = true
    const { runsForMs, exitCode = 0, oomAfterMs, exitsBeforeStart } = this.#options.program
    if (exitsBeforeStart === true) {
      this.end({ code: exitCode, oomKilled: false })
      return
    }
    if (oomAfterMs !== undefined) this.#after(oomAfterMs, { code: 128 + SIGKILL, oomKilled: true })
    if (runsForMs !== undefined) this.#after(runsForMs, { code: exitCode, oomKilled: false })
  }

  signal(number: number): void {
    this.#signals.push(number)
    if (this.#frozen && !(number === SIGKILL && this.#options.killsFrozen)) this.#pending.push(number)
    else this.#take(number)
  }

  freeze(): void {
    if (this.#frozen || !this.#alive) return
    this.#frozen = true
    for (const timer of this.#timers) timer.pause()
  }

  thaw(): void {
    if (!this.#frozen) return
    this.#frozen = false
    // The kernel delivers KILL before anything else.
    const pending = this.#pending.toSorted((a, b) => Number(b === SIGKILL) - Number(a === SIGKILL))
    this.#pending = []
    for (const timer of this.#timers) timer.resume()
    for (const number of pending) this.#take(number)
  }

  /** Ends it, whatever its program says. */
  end(end: ProcessEnd): void {
    if (!this.#alive) return
    this.#alive = false
    this.#frozen = false
    for (const timer of this.#timers) timer.pause()
    this.#options.onEnd(end)
  }

  #take(number: number): void {
    if (number === SIGKILL) this.#takeKill()
    // What waits in the runtime's own code before `start` is deaf to everything else.
    else if (this.#started) this.#react(this.#reactionTo(number), number)
  }

  #takeKill(): void {
    const { onKill = 'exit' } = this.#options.program
    const end = { code: 128 + SIGKILL, oomKilled: false }
    if (onKill === 'exit') this.end(end)
    else if (onKill !== 'ignore') this.#after(onKill.afterMs, end)
  }

  #reactionTo(number: number): SimulatedReaction {
    const { program, stopSignal } = this.#options
    const named = program.onSignal?.[signalName(number)]
    if (named !== undefined) return named
    return number === SIGTERM || number === stopSignal ? (program.onTerm ?? 'exit') : 'ignore'
  }

  #react(reaction: SimulatedReaction, number: number): void {
    if (reaction === 'ignore') return
    const code = reaction === 'exit' ? 128 + number : reaction.exitCode
    const afterMs = reaction === 'exit' ? undefined : reaction.afterMs
    if (afterMs === undefined) this.end({ code, oomKilled: false })
    else this.#after(afterMs, { code, oomKilled: false })
  }

  /** In the process's own time, which stands still while it is frozen. */
  #after(delayMs: number, end: ProcessEnd): void {
    if (!this.#alive) return
    const timer = new PausableTimer(
      this.#options.clock,
      () => {
        this.end(end)
      },
      delayMs,
    )
    this.#timers.push(timer)
    if (this.#frozen) timer.pause()
  }
}
