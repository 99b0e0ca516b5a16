/** Port forwarding, where the pid of a container is one of this host and so is its network namespace. */
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import { portForward as portForwardOnHost } from '../host/port-forward.ts'
import type { EffectOptions, ProcessIdentity } from '../runtime-impl.ts'
import type { PortForwardRequest } from '../streams-port.ts'
import { belowShim, placeOf, type VmWorld } from './world.ts'

/** ERR_UNSUPPORTED where the pid is that of a machine. */
export async function portForward(
  world: VmWorld,
  container: Container,
  init: ProcessIdentity,
  request: PortForwardRequest,
  options: EffectOptions,
): Promise<void> {
  const place = await placeOf(world, container)
  if ((await belowShim(world, place)) === undefined) {
    const message = `container ${container.id} is in a machine of its own: its ports cannot be reached from this host's namespaces`
    throw new OciError('ERR_UNSUPPORTED', message, { containerId: container.id })
  }
  await portForwardOnHost(world, container, init, request, options)
}
