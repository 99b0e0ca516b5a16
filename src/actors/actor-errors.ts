/** What an actor refuses with. */
import type { ContainerPhase } from '../container.ts'
import { OciError } from '../errors/index.ts'
import type { Verb } from '../machines/events.ts'
import { permittedCommands, type MachineSnapshot } from './start-actor.ts'

/** The public name of a verb. */
export function operationOf(verb: Verb | 'signal'): string {
  return `${verb}Container`
}

export function wrongStatusError(
  containerId: string,
  phase: ContainerPhase,
  snapshot: MachineSnapshot,
  verb: Verb | 'signal',
): OciError {
  const allowed = permittedCommands(snapshot)
  const permits = allowed.length === 0 ? 'nothing' : allowed.join(', ')
  const message = `container ${containerId} is ${phase}, which does not permit ${verb}; it permits ${permits}`
  return new OciError('ERR_WRONG_STATUS', message, { containerId, operation: operationOf(verb), allowed })
}

export function deletedError(containerId: string): OciError {
  return new OciError('ERR_NOT_FOUND', `container ${containerId} is deleted`, { containerId })
}

export function neverRanError(containerId: string): OciError {
  return new OciError('ERR_NOT_RUNNING', `container ${containerId} never ran`, { containerId })
}
