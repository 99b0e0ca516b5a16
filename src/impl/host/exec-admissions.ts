/**
 * The commands in containers of one implementation: which run now, how many there may be, and their end when their
 * container ends or this process lets go.
 */
import { OciError } from '../../errors/index.ts'
import type { ExecPort, ExecSession } from '../exec-port.ts'
import { within } from '../launcher/deadlines.ts'
import { checkExecCounts } from '../requests/exec-command.ts'

/** A command that runs, or is being started. */
export interface AdmittedExec {
  /** Where its streams are a caller's. */
  readonly session?: ExecSession | undefined
  end(limitMs: number): Promise<unknown>
  /** What to do with it when we leave. */
  disconnect(): Promise<unknown>
}

/** A command that was admitted, whether it runs already or not. To be forgotten when it is over. */
export interface Admission {
  readonly containerId: string
  exec: AdmittedExec | undefined
  /** How long its end may take, once its container is to be without commands. */
  endLimitMs: number | undefined
  readonly over: PromiseWithResolvers<void>
}

export class ExecAdmissions implements Pick<ExecPort, 'sessions' | 'endAll'> {
  readonly #admissions = new Set<Admission>()
  #isClosed = false

  /** ERR_CLOSED, ERR_BUSY. */
  admit(containerId: string): Admission {
    if (this.#isClosed) throw new OciError('ERR_CLOSED', 'the runtime is closed', { containerId })
    checkExecCounts(containerId, this.#admissions.size, this.#of(containerId).length)
    const over = Promise.withResolvers<void>()
    const admission: Admission = { containerId, exec: undefined, endLimitMs: undefined, over }
    this.#admissions.add(admission)
    return admission
  }

  /** There is something that can be ended; told again when it runs. */
  begin(admission: Admission, exec: AdmittedExec): void {
    admission.exec = exec
    if (this.#isClosed) void settled(exec.disconnect())
    if (admission.endLimitMs !== undefined) void settled(exec.end(admission.endLimitMs))
  }

  forget(admission: Admission): void {
    this.#admissions.delete(admission)
    admission.over.resolve()
  }

  sessions(containerId: string): readonly ExecSession[] {
    return this.#of(containerId).flatMap(({ exec }) => exec?.session ?? [])
  }

  async endAll(containerId: string, limitMs: number): Promise<boolean> {
    const ends = this.#of(containerId).map(async (admission) => {
      const { exec, over } = admission
      // One that has not come that far is ended as soon as it has.
      admission.endLimitMs = limitMs
      await settled(exec?.end(limitMs))
      const isOver = over.promise.then(() => true)
      return (await within(isOver, limitMs)) === true
    })
    return (await Promise.all(ends)).every(Boolean)
  }

  /** Takes no more, and lets go of those that run. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled([...this.#admissions].map(async ({ exec }) => exec?.disconnect()))
  }

  #of(containerId: string): readonly Admission[] {
    return [...this.#admissions].filter((admission) => admission.containerId === containerId)
  }
}

/** Whether a command has ended is seen by its being over, not by what its end says. */
async function settled(end: Promise<unknown> | undefined): Promise<void> {
  await Promise.allSettled([end])
}
