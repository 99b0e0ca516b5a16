/**
 * What is left of a deleted container: its last state, as plain data, and how it ended. The `Container` object itself is
 * the tombstone. Late waiters ask with it, so it lives exactly as long as somebody can ask, and a re-used id cannot
 * confuse it (docs/adr has the decision against a tombstone by id and time).
 */
import type { Container, ContainerView, ExitStatus } from '../container.ts'
import type { OciError } from '../errors/index.ts'
import { neverRanError } from './actor-errors.ts'

/** Why containers that never ran did not; by the container object, so that it goes when that goes. */
const errors = new WeakMap<Container, OciError>()

/** Replaces the view of a container whose actor has ended, so that the actor can be forgotten. */
export function buryContainer(
  view: ContainerView & { readonly container: Container },
  error?: OciError,
): void {
  const { container, state, phase, since } = view
  if (state.exit === undefined && error !== undefined) errors.set(container, error)
  container.bindView({ state, phase, since, waitingFor: undefined, execs: [], ownsProcess: () => false })
}

/** How a deleted container ended; undefined for one that is not deleted. Throws what it failed with when it never ran. */
export function exitOfDeleted(container: Container): ExitStatus | undefined {
  if (container.phase !== 'deleted') return undefined
  const { exit } = container.state
  if (exit !== undefined) return exit
  throw errors.get(container) ?? neverRanError(container.id)
}
