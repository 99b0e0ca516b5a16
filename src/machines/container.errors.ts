/** The errors a container's machine declares, as the params of its actions, and the input its effects share. */
import { toOciError, type OciError } from '../errors/index.ts'
import { failure, type ContainerContext } from './context.ts'
import type { ContainerLimits } from './delays.ts'
import type { EffectInput } from './effects.ts'
import type { Verb } from './events.ts'

/** The public verbs, by what they bring about. */
const operations = {
  created: 'createContainer',
  started: 'startContainer',
  paused: 'pauseContainer',
  resumed: 'unpauseContainer',
  observed: 'updateContainerStatus',
  deleted: 'deleteContainer',
} as const

export interface ErrorParams {
  readonly error: OciError
}

/** The error of an effect that rejected. */
export function effectError(context: ContainerContext, event: { readonly error: unknown }): ErrorParams {
  return { error: toOciError(event.error, 'ERR_RUNTIME_FAILED', { containerId: context.id }) }
}

/** The error of an effect that took longer than it may. */
export function timeoutError(
  context: ContainerContext,
  done: keyof typeof operations,
  limit: keyof ContainerLimits,
): ErrorParams {
  const message = `container ${context.id} was not ${done} within ${context.limits[limit]} ms`
  return { error: failure(context, 'ERR_TIMEOUT', message, operations[done]) }
}

/** The error of a command that a later one made pointless. */
export function cancelledError(context: ContainerContext, verb: Verb): ErrorParams {
  const message = `the ${verb} of container ${context.id} was cancelled by a later command`
  return { error: failure(context, 'ERR_CANCELLED', message, `${verb}Container`) }
}

/** A created container without a monitor would run without exit and log. */
export function monitorLostError(context: ContainerContext): ErrorParams {
  const message = `the monitor of container ${context.id} died before the container was started`
  return { error: failure(context, 'ERR_MONITOR_LOST', message, 'createContainer') }
}

export function idInput({ context }: { readonly context: ContainerContext }): EffectInput {
  return { id: context.id }
}
