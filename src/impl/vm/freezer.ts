/** Whether a container is frozen, without asking its shim: runc's does not notice what others do to the freezer. */
import type { Container } from '../../container.ts'
import { isFrozen as isFrozenOnHost } from '../host/freezer.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { belowShim, placeOf, type VmWorld } from './world.ts'

/** Read from the freezer. Undefined where the process is not the container's own: a machine is paused otherwise. */
export async function isFrozen(
  world: VmWorld,
  container: Container,
  init: ProcessIdentity,
): Promise<boolean | undefined> {
  if ((await belowShim(world, await placeOf(world, container))) === undefined) return undefined
  return isFrozenOnHost(world, init)
}
