/**
 * The end of a container whose shim is gone. Nobody reads its output, can run a command in it or will know how it ends. So
 * it is ended, as containerd does it: its exit is then unknown, with the reason.
 */
import type { Container } from '../../container.ts'
import { runRuntime } from '../oci/runtime-command.ts'
import { waitUntil } from '../oci/waiting.ts'
import { killProcess, observeProcess } from '../process-identity.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { isFrozen } from './freezer.ts'
import { belowShim, placeOf, type VmWorld } from './world.ts'

const SIGKILL = 9
const endMaxMs = 30_000

/** Never rejects. */
export async function endOrphan(
  world: VmWorld,
  container: Container,
  init: ProcessIdentity,
  signal: AbortSignal,
): Promise<void> {
  const { logger } = world
  const { id: containerId } = container
  logger.warn({ containerId, pid: init.pid }, 'the shim of a container is gone, the container is killed')
  try {
    const isOver = async (): Promise<boolean> => {
      killProcess(init, SIGKILL)
      // KILL waits where the freezer is of version 1, and a pause may have been under way.
      if ((await isFrozen(world, container, init)) === true) await thaw(world, container, signal)
      return (await observeProcess(init)) === 'gone'
    }
    if (!(await waitUntil(isOver, endMaxMs, signal)))
      logger.error({ containerId }, 'a container without a shim does not die of KILL')
  } catch (err) {
    if (!signal.aborted) logger.error({ containerId, err }, 'a container without a shim could not be killed')
  }
}

async function thaw(world: VmWorld, container: Container, signal: AbortSignal): Promise<void> {
  const below = await belowShim(world, await placeOf(world, container))
  if (below === undefined) return
  try {
    await runRuntime(world, below, { verb: 'resume' }, signal)
  } catch (err) {
    // It may have died meanwhile; if not, it is tried again.
    world.logger.debug({ containerId: container.id, err }, 'a container without a shim is not thawed')
  }
}
