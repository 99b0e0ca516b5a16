/**
 * A command that runs in a simulated container: its process, its pipes and its end, whoever has asked for it.
 *
 * Deliberately not here: the session that a supervisor has with it (simulated-execs.ts), which may be over before.
 */
import type { Container } from '../../container.ts'
import type { ExecCommand, ExecExit } from '../exec-port.ts'
import type { TerminalSize } from '../terminal-size.ts'
import { environmentOf } from './known-commands.ts'
import { noInput, SimulatedPipe, whenFlushed } from './simulated-pipe.ts'
import {
  SIGKILL,
  SimulatedProcess,
  type ProcessStreams,
  type SimulatedProcessOptions,
} from './simulated-process.ts'

/** How it is connected. */
export interface ExecConnection {
  readonly hasStdin: boolean
  /** With one there is no stderr. */
  readonly terminal: { readonly size: TerminalSize | undefined } | undefined
}

export interface SimulatedExecOptions extends Pick<
  SimulatedProcessOptions,
  'identity' | 'program' | 'clock' | 'killsFrozen' | 'onChange'
> {
  readonly id: string
  readonly container: Container
  readonly command: ExecCommand
  readonly connection: ExecConnection
  /** Its process has ended. */
  onEnd(): void
  /** Nothing of it is left. */
  onGone(): void
}

const SIGTERM = 15

export class SimulatedExec {
  readonly id: string
  readonly process: SimulatedProcess
  readonly stdin: SimulatedPipe | undefined
  readonly stdout: SimulatedPipe
  readonly stderr: SimulatedPipe | undefined
  /** Settles when its process has ended, or is given up on. Never rejects. */
  readonly ended: Promise<ExecExit>
  /** Resolves when nothing has its output open any more. */
  readonly outputReleased: Promise<void>
  readonly #options: SimulatedExecOptions
  readonly #ended = Promise.withResolvers<ExecExit>()
  readonly #outputReleased = Promise.withResolvers<void>()
  #size: TerminalSize | undefined
  #over = false
  #holdsOutput = true

  constructor(options: SimulatedExecOptions) {
    const { id, program, command, connection, identity, clock, killsFrozen, onChange } = options
    this.#options = options
    this.id = id
    this.ended = this.#ended.promise
    this.outputReleased = this.#outputReleased.promise
    this.#size = connection.terminal?.size
    this.process = new SimulatedProcess({
      identity,
      program,
      clock,
      killsFrozen,
      onChange,
      argv: command.argv,
      stopSignal: SIGTERM,
      isInit: false,
      openStreams: () => this.#streams(),
      onEnd: ({ code }) => {
        this.#options.onEnd()
        this.#finish({ kind: 'code', code })
        // One that was given up on has released it before.
        if (!this.#holdsOutput) this.#options.onGone()
      },
    })
    const pipe = (): SimulatedPipe =>
      new SimulatedPipe({ gate: this.process.whenRunnable, onBroken: () => this.process.breakPipe() })
    this.stdin = connection.hasStdin ? pipe() : undefined
    this.stdout = pipe()
    this.stderr = connection.terminal === undefined ? pipe() : undefined
  }

  get isOver(): boolean {
    return this.#over
  }

  /** Something that the command left behind still has its output open. */
  get holdsOutput(): boolean {
    return this.#holdsOutput
  }

  get hasTerminal(): boolean {
    return this.#options.connection.terminal !== undefined
  }

  start(): void {
    this.process.start()
  }

  resize(size: TerminalSize): void {
    this.#size = size
  }

  /** KILL for all that came of it. Who is frozen, or does not take it, has not ended then. */
  kill(): void {
    if (this.process.alive) this.process.signal(SIGKILL)
    if (!this.process.alive) this.releaseOutput()
  }

  /** What waits for its end waits no longer; the process itself may be there for ever. */
  giveUp(): void {
    this.#finish({ kind: 'unknown', why: 'monitor-lost' })
    this.releaseOutput()
  }

  /** What it left behind is gone too, or of no interest any more. */
  releaseOutput(): void {
    if (!this.#holdsOutput) return
    this.#holdsOutput = false
    this.#outputReleased.resolve()
    this.stdout.closeWriter()
    this.stderr?.closeWriter()
    if (!this.process.alive) this.#options.onGone()
  }

  #finish(exit: ExecExit): void {
    if (this.#over) return
    this.#over = true
    this.stdin?.close()
    if (this.#options.program.leavesProcesses !== true) this.releaseOutput()
    this.#ended.resolve(exit)
  }

  #streams(): ProcessStreams {
    const { container, command } = this.#options
    const { process: own } = container.spec ?? {}
    const stdout = this.stdout.writer
    const stderr = this.stderr?.writer ?? stdout
    const size = (): TerminalSize | undefined => this.#size
    return {
      stdin: this.stdin?.reader ?? noInput(),
      stdout,
      stderr,
      env: { ...environmentOf(own?.env ?? []), ...command.env },
      cwd: command.cwd ?? own?.cwd ?? '/',
      user: command.user,
      get terminalSize() {
        return size()
      },
      whenFlushed: (done) => whenFlushed(stdout, () => whenFlushed(stderr, done)),
      // Its pipes are closed where it is known whether something else has them open.
      close: () => undefined,
    }
  }
}
