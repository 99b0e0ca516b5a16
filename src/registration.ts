/** How a container comes to have an actor: its handler, the implementation behind it, its limits. */
import type { ContainerActorOptions } from './actors/actor-world.ts'
import type { ContainerActor } from './actors/container.actor.ts'
import type { Parts } from './compose.ts'
import { validateRuntimeHandler, type RuntimeHandler } from './config/index.ts'
import type { Container } from './container.ts'
import { inContext, toOciError } from './errors/index.ts'
import { defaultContainerLimits, type ContainerLimits } from './machines/delays.ts'

/** Registers a container that nobody has asked anything of. */
export async function registered(parts: Parts, container: Container): Promise<ContainerActor> {
  const { registry, store } = parts
  const actor = registry.register(actorOptions(parts, container))
  try {
    store.add(container.id, container)
  } catch (error) {
    // The embedder's own store; without an entry the container would be out of reach, its id taken.
    const failure = toOciError(error, 'ERR_INTERNAL', {
      containerId: container.id,
      operation: 'createContainer',
    })
    await registry.unregister(actor, failure)
    throw failure
  }
  return actor
}

/** ERR_UNKNOWN_HANDLER, ERR_CONFIG. */
export function actorOptions(
  parts: Parts,
  container: Container,
  handler = container.runtimeHandler ?? parts.config.defaultRuntime,
): ContainerActorOptions {
  const { runtimeType, runtimeRoot, containerCreateTimeoutMs } = handlerOf(parts, container, handler)
  const limits: ContainerLimits = {
    ...defaultContainerLimits,
    createTimeoutMs: containerCreateTimeoutMs,
    ...parts.limits,
  }
  return { container, impl: parts.implementation(runtimeType), limits, handler, runtimeRoot }
}

/** One without a path is fine: it is looked up on PATH. */
function handlerOf({ config }: Parts, { id: containerId }: Container, name: string): RuntimeHandler {
  const { runtimes } = config
  const handler = Object.hasOwn(runtimes, name) ? runtimes[name] : undefined
  if (handler !== undefined) return handler
  try {
    return validateRuntimeHandler(config, name)
  } catch (error) {
    throw inContext(error, { containerId, operation: 'createContainer' })
  }
}
