/**
 * What must hold of a simulated system, judged from outside: by what was asked and answered, what was told, and what is
 * true in the world. Knows nothing of how the system works.
 */
import type { Container, ContainerEvent, ExitStatus } from '../../src/index.ts'

const lawful = ['created', 'started', 'exited', 'deleted']

/** What is known of one container from having asked and been answered. */
export interface Promised {
  readonly id: string
  /** Exit codes that its program and our signals can bring about. */
  readonly codes: readonly number[]
  created: boolean
  started: boolean
  stopped: boolean
  deleted: boolean
  /** Somebody asked to end or remove it: what was promised before may be over. */
  endAsked: boolean
  deleteAsked: boolean
  /** Its monitor was killed or silenced, or it was ended behind everybody's back: its exit may be unknown. */
  meddled: boolean
  exit: ExitStatus | undefined
}

export class Checkers {
  readonly violations: string[] = []
  readonly #told = new Map<string, string[]>()
  /** Of whom a failure was told. */
  readonly #failed = new Set<string>()
  readonly #promised = new Map<string, Promised>()

  promised(id: string, codes: readonly number[]): Promised {
    const promised: Promised = {
      id,
      codes,
      created: false,
      started: false,
      stopped: false,
      deleted: false,
      endAsked: false,
      deleteAsked: false,
      meddled: false,
      exit: undefined,
    }
    this.#promised.set(id, promised)
    return promised
  }

  /** Another supervisor tells its own story of each container. */
  restarted(): void {
    this.#told.clear()
    this.#failed.clear()
  }

  told(event: ContainerEvent): void {
    const { containerId: id, type } = event
    if (event.type === 'exited') this.#exited(id, event.exit)
    if (type === 'failed') this.#failed.add(id)
    if (!lawful.includes(type)) return
    const told = [...(this.#told.get(id) ?? []), type]
    this.#told.set(id, told)
    const inOrder = lawful.filter((each) => told.includes(each))
    if (told.join() !== inOrder.join()) this.#violated(id, `told in the order ${told.join(', ')}`)
    const hasEnd = told.includes('exited') || this.#failed.has(id)
    if (type === 'deleted' && told.includes('created') && !hasEnd) this.#violated(id, 'its end was not told')
  }

  /** `isDurable` is what the container said at that moment: what a disk refuses is promised to nobody. */
  answered(id: string, verb: string, outcome: string, isDurable: boolean): void {
    if (/^(ERR_INTERNAL|defect)/.test(outcome)) this.#violated(id, `${verb} was answered ${outcome}`)
    const promised = this.#promised.get(id)
    if (promised === undefined || outcome !== 'done' || !isDurable) return
    if (verb === 'create') promised.created = true
    if (verb === 'start') promised.started = true
    if (verb === 'stop') promised.stopped = true
    if (verb === 'delete') promised.deleted = true
  }

  /** What was answered holds, also for the next supervisor. */
  look(containers: ReadonlyMap<string, Container>): void {
    for (const promised of this.#promised.values()) {
      const problem = promised.deleted
        ? this.#deletedProblem(containers.get(promised.id))
        : this.#livingProblem(promised, containers.get(promised.id))
      if (problem !== undefined) this.#violated(promised.id, problem)
    }
  }

  /** It was said to be deleted, and nothing will be asked of it any more. */
  forget(id: string): void {
    this.#promised.delete(id)
  }

  #livingProblem(promised: Promised, container: Container | undefined): string | undefined {
    if (!promised.created || promised.deleteAsked) return undefined
    // A created container whose monitor dies is swept away by a restart.
    if (container === undefined) return promised.meddled ? undefined : 'was created and is not known'
    const { phase, state } = container
    if (promised.stopped && phase !== 'stopped' && phase !== 'failed') return `was stopped and is ${phase}`
    if (promised.started && !promised.endAsked && ['created', 'starting', 'failed'].includes(phase))
      return `was started and is ${phase}`
    if (state.exit !== undefined) this.#exited(promised.id, state.exit)
    return undefined
  }

  #deletedProblem(container: Container | undefined): string | undefined {
    return container === undefined || container.phase === 'deleted'
      ? undefined
      : `was deleted and is ${container.phase}`
  }

  /** An exit once known stays what it is, and no code is made up. */
  #exited(id: string, exit: ExitStatus): void {
    const promised = this.#promised.get(id)
    if (promised === undefined) return
    if (exit.kind === 'code' && !promised.codes.includes(exit.code))
      this.#violated(id, `exit code ${exit.code} is none of ${promised.codes.join(', ')}`)
    if (exit.kind === 'unknown' && exit.why !== 'start-failed' && !promised.meddled)
      this.#violated(id, `its exit is unknown (${exit.why}), and nobody meddled`)
    const known = promised.exit
    if (known?.kind === 'code' && (exit.kind !== 'code' || exit.code !== known.code))
      this.#violated(id, 'a known exit has changed')
    promised.exit = exit
  }

  #violated(id: string, problem: string): void {
    this.violations.push(`${id}: ${problem}`)
  }
}
