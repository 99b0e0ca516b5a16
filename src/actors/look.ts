/**
 * A look at the world on demand: the exit first, then the process, then the freezer, or whether a created container was
 * started. The runtime itself, which has to be spawned to be asked, only where these contradict what is believed.
 *
 * Invariant: an error changes nothing.
 */
import { withLimit, type Limit } from '../surroundings/abort.ts'
import { timestampOf, type Clock } from '../surroundings/clock.ts'
import type { Container, ContainerPhase } from '../container.ts'
import { OciError } from '../errors/index.ts'
import type { Observation, ProcessIdentity, RuntimeImpl } from '../impl/runtime-impl.ts'
import type { ContainerFact } from '../machines/events.ts'

export interface LookScope {
  readonly container: Container
  readonly impl: RuntimeImpl
  readonly clock: Clock
  readonly observeTimeoutMs: number
  readonly init: ProcessIdentity | undefined
  readonly isLive: boolean
  readonly phase: ContainerPhase
  /** Counts the changes of phase: what was seen before one is out of date after it. */
  readonly phaseCount: number
  readonly waitingFor: string | undefined
  ownsProcess(): boolean
  fact(event: ContainerFact): void
}

/** Tells the machine what has changed. ERR_TIMEOUT when the world does not answer, and what the implementation throws. */
export async function look(scope: LookScope): Promise<void> {
  await withLimit(limitOf(scope), async (signal) => {
    await scope.impl.exits.scan()
    if (signal.aborted || !scope.isLive) return
    const { clock, phaseCount } = scope
    if (scope.init !== undefined && !scope.ownsProcess()) {
      scope.fact({ type: 'process.gone', at: timestampOf(clock) })
      return
    }
    // An effect under way will say itself how things are.
    if (scope.waitingFor !== undefined || (await isAsBelieved(scope, signal))) return
    const observation = await observe(scope, signal)
    if (scope.phase === 'created' && !tellsOfStart(observation)) return
    const { status } = observation
    const isCurrent = !signal.aborted && scope.phaseCount === phaseCount
    if (isCurrent) scope.fact({ type: 'container.observed', status, at: timestampOf(clock) })
  })
}

/** True when the living process is seen to be frozen, without asking the runtime. Throws like {@link look}. */
export async function isFrozen(scope: LookScope): Promise<boolean> {
  return withLimit(limitOf(scope), async (signal) => {
    const { container, impl, init } = scope
    return init !== undefined && (await impl.isFrozen?.(container, init, { signal })) === true
  })
}

/** How long the world is given to answer. */
export function limitOf({ container, clock, observeTimeoutMs: limitMs }: LookScope): Limit {
  const { id: containerId } = container
  const timedOut = (): OciError =>
    new OciError('ERR_TIMEOUT', `container ${containerId} could not be observed within ${limitMs} ms`, {
      containerId,
      operation: 'updateContainerStatus',
    })
  return { clock, limitMs, timedOut }
}

/**
 * True when a container that was believed to wait for its start runs, whoever started it: somebody else, or a start of
 * which nobody heard. Throws what the implementation throws.
 */
export async function isStarted(
  scope: Pick<LookScope, 'container' | 'impl' | 'init' | 'ownsProcess'>,
  signal: AbortSignal,
): Promise<boolean> {
  const { container, impl, init } = scope
  if (init === undefined || !scope.ownsProcess()) return false
  if ((await impl.isStarted?.(container, { signal })) === false) return false
  const observation = await observe(scope, signal)
  const { status } = observation
  return tellsOfStart(observation) && (status === 'running' || status === 'paused')
}

/** That a process lives does not say that its command was started. */
export function tellsOfStart({ isOfProcessOnly = false }: Observation): boolean {
  return !isOfProcessOnly
}

/** A living process, frozen or started exactly when it is believed to be, leaves nothing to ask. */
async function isAsBelieved(scope: LookScope, signal: AbortSignal): Promise<boolean> {
  const { container, impl, init, phase } = scope
  if (init === undefined) return false
  if (phase === 'created') return (await impl.isStarted?.(container, { signal })) === false
  const seen = await impl.isFrozen?.(container, init, { signal })
  return seen !== undefined && seen === (phase === 'paused')
}

/** What the runtime says, unless our own eyes say otherwise: a living process is not over because its records are lost. */
export async function observe(
  scope: Pick<LookScope, 'container' | 'impl' | 'init' | 'ownsProcess'>,
  signal: AbortSignal,
): Promise<Observation> {
  const { container, impl } = scope
  const observation = await impl.observe(container, { signal })
  const isOver = observation.status === 'absent' || observation.status === 'stopped'
  if (!isOver || scope.init === undefined || !scope.ownsProcess()) return observation
  const message = `the runtime says that container ${container.id} is ${observation.status}, but its process ${scope.init.pid} lives`
  throw new OciError('ERR_RUNTIME_FAILED', message, { containerId: container.id })
}

/** Looks one after the other: whoever asks during one shares the next, which begins after he asked. */
export class Looks {
  readonly #look: () => Promise<void>
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(once: () => Promise<void>) {
    this.#look = once
  }

  ask(): Promise<void> {
    if (this.#running === undefined) return this.#begin()
    this.#next ??= this.#running.then(
      () => this.#begin(),
      () => this.#begin(),
    )
    return this.#next
  }

  #begin(): Promise<void> {
    this.#next = undefined
    const running = this.#look().finally(() => {
      if (this.#running === running) this.#running = undefined
    })
    this.#running = running
    return running
  }
}
