/**
 * The end of a container's init, whatever its runtime or its shim says of it. Those go by files of theirs, which somebody
 * may have removed: a container that they do not know may live all the same. Pid and start time decide.
 *
 * Deliberately not here: machines, whose pid is not the container's own.
 */
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import { killProcess, observeProcess } from '../process-identity.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { thaw } from './freezer.ts'
import { processEnds } from './process-end.ts'
import type { HostWorld } from './world.ts'

/** What is noted of the process. */
export interface NotedProcess {
  readonly init?: ProcessIdentity | undefined
  /** Others are in its cgroup: what is frozen there is not its own to thaw. */
  readonly sharesCgroup?: boolean | undefined
}

const SIGKILL = 9
/** One that sleeps in the kernel dies later. */
const endMs = 5000

/** Kills the process if it lives, frozen or not, and sees it dead. ERR_TIMEOUT, ERR_ABORTED, ERR_UNSUPPORTED, ERR_IO. */
export async function endInit(
  world: Pick<HostWorld, 'cgroupMounts' | 'logger'>,
  { id: containerId }: Container,
  noted: NotedProcess | undefined,
  signal: AbortSignal,
): Promise<void> {
  const init = noted?.init
  if (init === undefined || (await observeProcess(init)) === 'gone') return
  killProcess(init, SIGKILL)
  if (noted?.sharesCgroup !== true) {
    // With cgroup v1 a frozen process dies of KILL once it is thawed.
    await thaw(world, init).catch((err: unknown) => {
      world.logger.debug({ containerId, err }, 'a container that is to die cannot be thawed')
    })
  }
  if (await processEnds(init, endMs, signal)) return
  const message = `the process of container ${containerId} (pid ${init.pid}) has not died of KILL within ${endMs} ms`
  throw new OciError('ERR_TIMEOUT', message, { containerId })
}
