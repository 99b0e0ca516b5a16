/**
 * Signals to a container's init.
 *
 * Not by `<runtime> kill`: init is a process of the host, and its identity is known. A runtime would be spawned for each
 * signal (a stop sends many), looks at the pid alone in some versions, and crun accepts signals that do not exist.
 * The cost: rootless containers whose users are mapped need CAP_KILL over them, or ERR_UNSUPPORTED says so.
 */
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import { killProcess } from '../process-identity.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { readOomEvidence } from './oom.ts'
import { placeOf, type OciWorld } from './world.ts'

const SIGKILL = 9

/** Throws ERR_NOT_RUNNING when init is gone, and what {@link killProcess} throws. */
export async function signal(
  world: OciWorld,
  container: Container,
  init: ProcessIdentity,
  signalNumber: number,
): Promise<void> {
  const isFirstKill = signalNumber === SIGKILL && !world.oomBeforeKill.has(container.id)
  if (isFirstKill) await noteOomEvidence(world, container)
  if (killProcess(init, signalNumber)) return
  // Something else has ended it: the OOM killer, perhaps.
  if (isFirstKill) world.oomBeforeKill.delete(container.id)
  throw new OciError(
    'ERR_NOT_RUNNING',
    `the init process of container ${container.id} (pid ${init.pid}) is gone`,
    { containerId: container.id },
  )
}

/** What the OOM killer did before our first KILL is not what ended the container. */
async function noteOomEvidence(world: OciWorld, container: Container): Promise<void> {
  try {
    world.oomBeforeKill.set(container.id, await readOomEvidence(world, await placeOf(world, container)))
  } catch (error) {
    // Nothing may come between a container and its KILL.
    world.logger.debug(
      { containerId: container.id, err: error },
      'the OOM evidence before a kill cannot be read',
    )
  }
}
