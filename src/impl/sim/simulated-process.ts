/**
 * A process of the simulated world, the init of a container or a command that is run in one: does what its program says,
 * takes signals, freezes and ends.
 *
 * Deliberately not here: who hears of its end (`simulated-world.ts`), and what its program's words mean
 * (`simulated-program.ts`).
 */
import { isError, messageOf } from '../../errors/index.ts'
import type { Clock } from '../../surroundings/clock.ts'
import { signalName } from '../../signals.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { PausableTimer } from './pausable-timer.ts'
import {
  checkExitCode,
  outputOf,
  type SimulatedIo,
  type SimulatedOutput,
  type SimulatedProgram,
  type SimulatedReaction,
} from './simulated-program.ts'

export interface ProcessEnd {
  readonly code: number
  readonly oomKilled: boolean
}

/** The process's ends of its streams, and what is around it. */
export interface ProcessStreams extends Omit<SimulatedIo, 'sleep'> {
  /** Tells when all that was written is out of its hands. */
  whenFlushed(done: () => void): void
  /** The process has ended. */
  close(): void
}

export interface SimulatedProcessOptions {
  readonly identity: ProcessIdentity
  readonly program: SimulatedProgram
  readonly argv: readonly string[]
  readonly clock: Clock
  /** The container's stop signal, which programs take like TERM. */
  readonly stopSignal: number
  /** Whether KILL ends a frozen process, or waits until it is thawed. */
  readonly killsFrozen: boolean
  /** The kernel spares a container's init what other processes die of. */
  readonly isInit: boolean
  /** Called once, when the program has something to do with them. */
  openStreams(process: SimulatedProcess): ProcessStreams
  /** It runs, stands still or runs on. */
  onChange(): void
  onEnd(end: ProcessEnd): void
}

export const SIGKILL = 9
const SIGTERM = 15
const SIGPIPE = 13

/** Linux ignores the first four by default; the others would stop the process, which is not simulated. */
const harmless = new Set(['CHLD', 'CONT', 'URG', 'WINCH', 'STOP', 'TSTP', 'TTIN', 'TTOU'])

export class SimulatedProcess {
  readonly identity: ProcessIdentity
  readonly #options: SimulatedProcessOptions
  readonly #timers = new Set<PausableTimer>()
  /** Every signal that was sent to it, in order, heeded or not. */
  readonly #signals: number[] = []
  #pending: number[] = []
  /** What it would have done if it had not been frozen. */
  #held: (() => void)[] = []
  readonly #onEnded = new Set<() => void>()
  #streams: ProcessStreams | undefined
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
    this.#options.onChange()
    const { runsForMs, exitCode = 0, oomAfterMs, exitsBeforeStart, run } = this.#options.program
    for (const output of outputOf(this.#options.program)) this.#print(output)
    if (exitsBeforeStart === true) {
      this.end({ code: exitCode, oomKilled: false })
      return
    }
    if (oomAfterMs !== undefined) this.#endAfter(oomAfterMs, { code: 128 + SIGKILL, oomKilled: true })
    if (run !== undefined) this.whenRunnable(() => void this.#run())
    else if (runsForMs !== undefined) this.#exitAfter(runsForMs, exitCode)
  }

  /** Does `act` as soon as the process can, which is at once unless it is frozen; never, once it has ended. */
  readonly whenRunnable = (act: () => void): void => {
    if (!this.#alive) return
    if (this.#frozen) this.#held.push(act)
    else act()
  }

  /** Does `act` when the process ends. Returns how to forget about it. */
  whenEnded(act: () => void): () => void {
    if (this.#alive) this.#onEnded.add(act)
    else act()
    return () => {
      this.#onEnded.delete(act)
    }
  }

  signal(number: number): void {
    this.#signals.push(number)
    if (this.#frozen && !(number === SIGKILL && this.#options.killsFrozen)) this.#pending.push(number)
    else this.#take(number)
  }

  /** It has written to a pipe that nobody reads any more. */
  breakPipe(): void {
    if (this.#alive) this.#take(SIGPIPE)
  }

  freeze(): void {
    if (this.#frozen || !this.#alive) return
    this.#frozen = true
    for (const timer of this.#timers) timer.pause()
    this.#options.onChange()
  }

  thaw(): void {
    if (!this.#frozen) return
    this.#frozen = false
    // The kernel delivers KILL before anything else.
    const pending = this.#pending.toSorted((a, b) => Number(b === SIGKILL) - Number(a === SIGKILL))
    this.#pending = []
    for (const timer of this.#timers) timer.resume()
    for (const number of pending) this.#take(number)
    const held = this.#held
    this.#held = []
    for (const act of held) this.whenRunnable(act)
    this.#options.onChange()
  }

  /** Ends it, whatever its program says. */
  end(end: ProcessEnd): void {
    if (!this.#alive) return
    this.#alive = false
    this.#frozen = false
    for (const timer of this.#timers) timer.pause()
    this.#timers.clear()
    this.#held = []
    this.#streams?.close()
    for (const act of this.#onEnded) act()
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
    else if (onKill !== 'ignore') this.#endAfter(onKill.afterMs, end)
  }

  #reactionTo(number: number): SimulatedReaction {
    const { program, stopSignal, isInit } = this.#options
    const name = signalName(number)
    const named = program.onSignal?.[name]
    if (named !== undefined) return named
    if (number === SIGTERM || number === stopSignal) return program.onTerm ?? 'exit'
    return isInit || harmless.has(name) ? 'ignore' : 'exit'
  }

  #react(reaction: SimulatedReaction, number: number): void {
    if (reaction === 'ignore') return
    const code = reaction === 'exit' ? 128 + number : reaction.exitCode
    const afterMs = reaction === 'exit' ? undefined : reaction.afterMs
    if (afterMs === undefined) this.end({ code, oomKilled: false })
    else this.#endAfter(afterMs, { code, oomKilled: false })
  }

  #openStreams(): ProcessStreams {
    return (this.#streams ??= this.#options.openStreams(this))
  }

  #print({ afterMs = 0, stdout, stderr }: SimulatedOutput): void {
    const streams = this.#openStreams()
    const write = (): void => {
      if (stdout !== undefined) streams.stdout.write(stdout)
      if (stderr !== undefined) streams.stderr.write(stderr)
    }
    if (afterMs === 0) write()
    else this.#later(afterMs, write)
  }

  /** The function that is its program; its end is the process's. */
  async #run(): Promise<void> {
    const { program, argv } = this.#options
    const streams = this.#openStreams()
    let exitCode: number
    try {
      const code = (await program.run?.(argv, ioOf(streams, this.#later))) ?? 0
      checkExitCode('exitCode', code)
      exitCode = code
    } catch (error) {
      const words = isError(error) ? (error.stack ?? error.message) : messageOf(error)
      if (this.#alive) streams.stderr.write(`${words}\n`)
      exitCode = 1
    }
    this.whenRunnable(() => this.#exitAfter(0, exitCode))
  }

  /** By itself, so it does not leave before it is rid of its output. */
  #exitAfter(delayMs: number, code: number): void {
    const exit = (): void => this.end({ code, oomKilled: false })
    this.#later(delayMs, () => {
      if (this.#streams === undefined) exit()
      else this.#streams.whenFlushed(() => this.whenRunnable(exit))
    })
  }

  #endAfter(delayMs: number, end: ProcessEnd): void {
    this.#later(delayMs, () => this.end(end))
  }

  /** In the process's own time, which stands still while it is frozen. */
  readonly #later = (delayMs: number, act: () => void): void => {
    if (!this.#alive || delayMs === Number.POSITIVE_INFINITY) return
    const timer = new PausableTimer(
      this.#options.clock,
      () => {
        this.#timers.delete(timer)
        act()
      },
      delayMs,
    )
    this.#timers.add(timer)
    if (this.#frozen) timer.pause()
  }
}

function ioOf(streams: ProcessStreams, later: (delayMs: number, act: () => void) => void): SimulatedIo {
  const { stdin, stdout, stderr, env, cwd, user } = streams
  return {
    stdin,
    stdout,
    stderr,
    env,
    cwd,
    user,
    get terminalSize() {
      return streams.terminalSize
    },
    sleep: (ms) => new Promise((resolve) => later(ms, resolve)),
  }
}
