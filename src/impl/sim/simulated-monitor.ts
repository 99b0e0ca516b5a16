/**
 * The monitor of a simulated container (conmon, or a shim): holds its streams, reports the exit, then ends. One that died
 * reports nothing, ever; a muted one (as conmon is behind an attach client that does not read) lives on, and passes nothing
 * on until it is unmuted, neither output nor the exit.
 */
import type { Clock } from '../../surroundings/clock.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { PausableTimer } from './pausable-timer.ts'

export class SimulatedMonitor {
  readonly identity: ProcessIdentity
  /** Resolves when it is dead. */
  readonly gone: Promise<void>
  readonly #clock: Clock
  readonly #onEnd: () => void
  #resolveGone: () => void = () => undefined
  #alive = true
  #muted = false
  #timer: PausableTimer | undefined
  /** The exit that is still to be reported. */
  #report: (() => void) | undefined
  /** What it will do when it is unmuted. */
  #held: (() => void)[] = []

  constructor(identity: ProcessIdentity, clock: Clock, onEnd: () => void) {
    this.identity = identity
    this.#clock = clock
    this.#onEnd = onEnd
    this.gone = new Promise((resolve) => {
      this.#resolveGone = resolve
    })
  }

  get alive(): boolean {
    return this.#alive
  }

  /** Does `act` now, or when it is unmuted. One that is dead lets others do it: nobody waits for the dead. */
  readonly whenListening = (act: () => void): void => {
    if (this.#alive && this.#muted) this.#held.push(act)
    else act()
  }

  /** The process has ended: calls `report` after `delayMs`, and ends after that. */
  processEnded(report: () => void, delayMs: number): void {
    if (!this.#alive) return
    this.#report = report
    if (delayMs === 0) this.#tryReport()
    else this.#timer = new PausableTimer(this.#clock, () => this.#tryReport(), delayMs)
  }

  mute(): void {
    this.#muted = true
  }

  unmute(): void {
    this.#muted = false
    this.#release()
    if (this.#timer === undefined) this.#tryReport()
  }

  /** Is through with it: reports at once what it can, and ends. */
  finish(): void {
    this.#tryReport()
    this.end()
  }

  /** Dies. An exit that it has not reported by now is lost. */
  end(): void {
    if (!this.#alive) return
    this.#alive = false
    this.#timer?.pause()
    this.#onEnd()
    this.#release()
    this.#resolveGone()
  }

  #release(): void {
    for (const act of this.#held.splice(0)) act()
  }

  #tryReport(): void {
    this.#timer?.pause()
    this.#timer = undefined
    const report = this.#report
    if (!this.#alive || this.#muted || report === undefined) return
    report()
    this.end()
  }
}
