/**
 * A command that one supervisor has asked for, from its admission until it is over, whether it runs already or not; and
 * what its caller is told when it does not come to its end.
 */
import { execStartTimeoutError } from '../../surroundings/abort.ts'
import { isOciError, OciError, type ErrorCode } from '../../errors/index.ts'
import { ExecSyncError, type ExecCommand, type ExecSession, type ExecSyncResult } from '../exec-port.ts'
import type { SimulatedContainer } from './simulated-container.ts'
import type { ExecConnection, SimulatedExec } from './simulated-exec.ts'
import type { SimulatedScript } from './simulated-script.ts'

/** By their names in public. */
export type ExecVerb = 'execSyncContainer' | 'startExec'

/** Who has left before its end. */
type Leaver = 'aborted' | 'timedOut' | 'notStarted' | 'ended' | 'closed'

export interface AdmissionOptions {
  readonly verb: ExecVerb
  readonly containerId: string
  /** The caller's. */
  readonly signal: AbortSignal
  /** Until it runs. */
  readonly startTimeoutMs: number | undefined
  /** Unique in this supervisor. */
  readonly number: number
  onOver(): void
}

export class ExecAdmission {
  readonly containerId: string
  /** Set once it runs. */
  exec: SimulatedExec | undefined
  session: ExecSession | undefined
  /** What becomes of it when nobody is at our end any more. */
  disconnect: () => void = () => undefined
  readonly #options: AdmissionOptions
  /** Resolves when whoever asked for it has been told. */
  readonly whenOver: Promise<void>
  readonly #over = Promise.withResolvers<void>()
  readonly #left = new AbortController()
  readonly #abort = (): void => {
    this.leave('aborted')
    this.disconnect()
  }
  #why: Leaver | undefined

  constructor(options: AdmissionOptions) {
    this.#options = options
    this.containerId = options.containerId
    this.whenOver = this.#over.promise
    const { signal } = options
    if (signal.aborted) this.#abort()
    signal.addEventListener('abort', this.#abort, { once: true })
  }

  /** Aborted when nobody waits for it any more. */
  get left(): AbortSignal {
    return this.#left.signal
  }

  get isTimedOut(): boolean {
    return this.#why === 'timedOut'
  }

  get isAborted(): boolean {
    return this.#why === 'aborted'
  }

  leave(why: Leaver): void {
    this.#why ??= why
    this.#left.abort()
  }

  /** By hand, since one signal may be given to thousands of commands. */
  over(): void {
    this.#options.signal.removeEventListener('abort', this.#abort)
    this.#options.onOver()
    this.#over.resolve()
  }

  /** Runs it. A container that does not run, or is not there, is as a runtime would say; so is a command that is not. */
  launch(
    script: SimulatedScript,
    found: SimulatedContainer | undefined,
    command: ExecCommand,
    connection: ExecConnection,
  ): SimulatedExec {
    if (found === undefined || found.status === 'stopped' || found.status === 'created') {
      throw this.notRun('ERR_NOT_RUNNING', command, 'the container is not running')
    }
    const program = script.commandOf(found.container, command)
    if (program === undefined) {
      throw this.notRun('ERR_COMMAND_NOT_FOUND', command, 'there is no such command in the container')
    }
    const id = this.#options.number.toString(16).padStart(32, '0')
    this.exec = found.exec(id, command, program, connection)
    return this.exec
  }

  /** What the caller is told: of an effect that was aborted, why nobody waited for it. */
  told(error: unknown): unknown {
    return isOciError(error) && error.code === 'ERR_ABORTED' ? this.gone() : error
  }

  gone(): OciError {
    const { containerId } = this
    const details = { containerId, operation: this.#options.verb }
    if (this.#why === 'ended')
      return new OciError('ERR_NOT_RUNNING', `container ${containerId} ended before the command ran`, details)
    if (this.#why === 'closed')
      return new OciError(
        'ERR_CLOSED',
        `the runtime was closed while a command ran in ${containerId}`,
        details,
      )
    if (this.#why === 'notStarted') return execStartTimeoutError(details, this.#options.startTimeoutMs ?? 0)
    return new OciError(
      'ERR_ABORTED',
      `the command in container ${containerId} was aborted and ended`,
      details,
    )
  }

  notRun(
    code: ErrorCode,
    { argv: [file = ''] }: ExecCommand,
    why: string,
    output: Pick<ExecSyncResult, 'stdout' | 'stderr'> = nothingSaid,
  ): OciError {
    const { containerId } = this
    const { verb: operation } = this.#options
    // Its name only: arguments may be secrets.
    const message = `cannot run ${file.slice(0, shownMaxLength)} in container ${containerId}: ${why}`
    const details = { containerId, operation }
    return operation === 'execSyncContainer'
      ? new ExecSyncError(code, message, { ...details, ...output })
      : new OciError(code, message, details)
  }
}

const nothingSaid = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
const shownMaxLength = 200
