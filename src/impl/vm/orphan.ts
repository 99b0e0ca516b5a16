/**
 * The end of a machine whose shim is gone: nobody can reach what is in it any more, so it is ended at once. The exit of its
 * container is then unknown, with the reason.
 *
 * Deliberately not here: containers whose process is one of this host. They can still be signalled, and whether they live
 * on is the embedder's to say (onMonitorLost).
 */
import type { Container } from '../../container.ts'
import { waitUntil } from '../host/waiting.ts'
import { killProcess, observeProcess } from '../process-identity.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { belowShim, placeOf, type VmWorld } from './world.ts'

const SIGKILL = 9
const endMaxMs = 30_000

/** Never rejects. */
export async function endLostMachine(
  world: VmWorld,
  container: Container,
  init: ProcessIdentity,
  signal: AbortSignal,
): Promise<void> {
  const { logger } = world
  const { id: containerId } = container
  try {
    if ((await belowShim(world, await placeOf(world, container))) !== undefined) return
    logger.warn({ containerId, pid: init.pid }, 'the shim of a container is gone, its machine is killed')
    const isOver = async (): Promise<boolean> => {
      killProcess(init, SIGKILL)
      return (await observeProcess(init)) === 'gone'
    }
    if (!(await waitUntil(isOver, endMaxMs, signal)))
      logger.error({ containerId }, 'a machine without a shim does not die of KILL')
  } catch (err) {
    if (!signal.aborted) logger.error({ containerId, err }, 'a machine without a shim could not be killed')
  }
}
