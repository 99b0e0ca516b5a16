/** What an actor refuses with. */
import type { ContainerPhase } from '../container.ts'
import { OciError, ofOperation, toOciError, type ContainerOperation } from '../errors/index.ts'
import type { Verb } from '../machines/events.ts'
import { permittedCommands, type MachineSnapshot } from './start-actor.ts'

/** Verbs that leave the container's state as it is, and are none of its machine's business but for the permission. */
export type SideVerb =
  'signal' | 'update' | 'stats' | 'execSync' | 'startExec' | 'attach' | 'reopenLog' | 'portForward'

/** The public name of a verb. */
export function operationOf(verb: Verb | SideVerb): ContainerOperation {
  if (verb === 'stats') return 'containerStats'
  if (verb === 'startExec') return verb
  return verb === 'reopenLog' ? 'reopenContainerLog' : `${verb}Container`
}

/** What a caller is told: an OciError with the name of the verb that he asked for, unless it is another's failure. */
export function toldOf(error: unknown, containerId: string, operation: ContainerOperation): unknown {
  return ofOperation(toOciError(error, 'ERR_RUNTIME_FAILED'), { containerId, operation })
}

export function wrongStatusError(
  containerId: string,
  phase: ContainerPhase,
  snapshot: MachineSnapshot,
  verb: Verb | SideVerb,
): OciError {
  const allowed = permittedCommands(snapshot)
  const permits = allowed.length === 0 ? 'nothing' : allowed.join(', ')
  // Of what is permitted only a delete that is not to kill is refused.
  const refused = allowed.includes(verb) ? `${verb} without force` : verb
  const message = `container ${containerId} is ${phase}, which does not permit ${refused}; it permits ${permits}`
  return new OciError('ERR_WRONG_STATUS', message, { containerId, operation: operationOf(verb), allowed })
}

export function sideTimeoutError(containerId: string, verb: SideVerb, limitMs: number): OciError {
  const operation = operationOf(verb)
  const message = `${operation} of container ${containerId} was not done within ${limitMs} ms`
  return new OciError('ERR_TIMEOUT', message, { containerId, operation })
}

export function unsupportedError(containerId: string, operation: ContainerOperation): OciError {
  const message = `the runtime of container ${containerId} cannot do ${operation}`
  return new OciError('ERR_UNSUPPORTED', message, { containerId, operation })
}

export function deletedError(containerId: string): OciError {
  return new OciError('ERR_NOT_FOUND', `container ${containerId} is deleted`, { containerId })
}

/** Why what was connected with a container ends. */
export function overError(containerId: string): OciError {
  return new OciError('ERR_NOT_RUNNING', `container ${containerId} has ended`, { containerId })
}

export function neverRanError(containerId: string): OciError {
  return new OciError('ERR_NOT_RUNNING', `container ${containerId} never ran`, { containerId })
}
