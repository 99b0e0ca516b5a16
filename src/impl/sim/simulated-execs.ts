/**
 * The commands in simulated containers that one supervisor has asked for: which there are, how many there may be, and
 * their end when their container ends or the supervisor lets go.
 *
 * Deliberately not here: the command itself (simulated-exec.ts), which lives in the world and may outlive the supervisor.
 */
import type { Container } from '../../container.ts'
import type {
  ExecOptions,
  ExecPort,
  ExecRequest,
  ExecSession,
  ExecSyncRequest,
  ExecSyncResult,
} from '../exec-port.ts'
import { checkExecCounts } from '../requests/exec-command.ts'
import { ExecAdmission, type ExecVerb } from './exec-admission.ts'
import { endExec, within } from './exec-end.ts'
import { startExec } from './exec-stream.ts'
import { execSync } from './exec-sync.ts'
import type { SimulatedExec } from './simulated-exec.ts'
import type { Supervision } from './supervision.ts'

export class SimulatedExecs implements ExecPort {
  readonly #supervision: Supervision
  readonly #admissions = new Set<ExecAdmission>()
  #lastNumber = 0

  constructor(supervision: Supervision) {
    this.#supervision = supervision
  }

  execSync(container: Container, request: ExecSyncRequest, options: ExecOptions): Promise<ExecSyncResult> {
    return execSync(this.#supervision, container, request, options.startTimeoutMs, () =>
      this.#admit('execSyncContainer', container, options),
    )
  }

  startExec(container: Container, request: ExecRequest, options: ExecOptions): Promise<ExecSession> {
    return startExec(this.#supervision, container, request, () =>
      this.#admit('startExec', container, options),
    )
  }

  sessions(containerId: string): readonly ExecSession[] {
    return this.#of(containerId).flatMap(({ session }) => (session === undefined ? [] : [session]))
  }

  async endAll(containerId: string, limitMs: number): Promise<boolean> {
    const { clock } = this.#supervision
    const ends = this.#of(containerId).map(async (admission) => {
      const { exec, whenOver } = admission
      if (exec === undefined) admission.leave('ended')
      const inTime = exec === undefined || (await endExec(clock, exec, limitMs))
      return (await within(clock, whenOver, limitMs)) && inTime
    })
    return (await Promise.all(ends)).every(Boolean)
  }

  /** Whether it was this supervisor that has asked for the command. */
  owns(exec: SimulatedExec): boolean {
    return [...this.#admissions].some((admission) => admission.exec === exec)
  }

  async close(): Promise<void> {
    this.disconnect()
    await Promise.resolve()
  }

  /** Nobody is at our end any more: ends what is to be ended then, and releases the rest. */
  disconnect(): void {
    for (const admission of this.#admissions) {
      admission.leave('closed')
      admission.disconnect()
    }
  }

  #of(containerId: string): ExecAdmission[] {
    return [...this.#admissions].filter((admission) => admission.containerId === containerId)
  }

  #admit(verb: ExecVerb, { id: containerId }: Container, options: ExecOptions): ExecAdmission {
    checkExecCounts(containerId, this.#admissions.size, this.#of(containerId).length)
    this.#lastNumber += 1
    const admission: ExecAdmission = new ExecAdmission({
      verb,
      containerId,
      signal: options.signal,
      startTimeoutMs: options.startTimeoutMs,
      number: this.#lastNumber,
      onOver: () => this.#admissions.delete(admission),
    })
    this.#admissions.add(admission)
    return admission
  }
}
