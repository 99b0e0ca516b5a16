/** How long operations took, from the changes of phase: a container cannot be asked, and need not be. */
import type { ContainerOperation } from '../../errors/index.ts'
import type { PhaseEvent } from '../event-types.ts'

/** `overtaken`: something else happened meanwhile, a stop or an exit. */
export type OperationOutcome = 'done' | 'failed' | 'overtaken'

export interface OperationTime {
  readonly operation: ContainerOperation
  readonly outcome: OperationOutcome
  readonly durationMs: number
}

interface Busy {
  readonly operation: ContainerOperation
  readonly done: readonly string[]
  readonly failed: readonly string[]
}

/** The phases that are an operation each, and how the phase after says what came of it. */
const busyPhases: Readonly<Record<string, Busy>> = {
  creating: { operation: 'createContainer', done: ['created', 'exiting'], failed: ['cleaning'] },
  starting: {
    operation: 'startContainer',
    done: ['running', 'exiting', 'stopping.signalling', 'stopping.killing'],
    failed: ['cleaning'],
  },
  pausing: { operation: 'pauseContainer', done: ['paused'], failed: ['observing'] },
  resuming: { operation: 'unpauseContainer', done: ['running'], failed: ['observing'] },
  deleting: { operation: 'deleteContainer', done: ['deleted'], failed: ['stopped', 'failed'] },
}

export class OperationTimes {
  /** Stops under way, by container: they go through several phases. */
  readonly #stopping = new Map<string, number>()

  /** The operation that ended with this change of phase. */
  ended(containerId: string, { from, to, inPhaseMs }: PhaseEvent): OperationTime | undefined {
    const stopped = this.#stop(containerId, from, to, inPhaseMs)
    if (stopped !== undefined) return stopped
    const busy = busyPhases[from]
    if (busy === undefined) return undefined
    const { operation, done, failed } = busy
    const outcome = done.includes(to) ? 'done' : failed.includes(to) ? 'failed' : 'overtaken'
    return { operation, outcome, durationMs: inPhaseMs }
  }

  /** From the request until the exit is recorded. */
  #stop(containerId: string, from: string, to: string, inPhaseMs: number): OperationTime | undefined {
    const soFarMs = this.#stopping.get(containerId)
    if (!from.startsWith('stopping.') && soFarMs === undefined) return undefined
    const durationMs = (soFarMs ?? 0) + inPhaseMs
    if (to !== 'stopped') {
      this.#stopping.set(containerId, durationMs)
      return undefined
    }
    this.#stopping.delete(containerId)
    return { operation: 'stopContainer', outcome: 'done', durationMs }
  }
}

/** KILL followed because the grace was over; a stop that began with KILL is none. */
export function isEscalation({ from, to }: PhaseEvent): boolean {
  return to === 'stopping.killing' && (from === 'stopping.grace' || from === 'stopping.signalling')
}
