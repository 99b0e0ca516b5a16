/** Whether a container is frozen, by its cgroup. */
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { controllerDirectory, readCgroupPaths, readIfThere } from './cgroups.ts'
import { waitUntil } from './waiting.ts'
import type { HostWorld } from './world.ts'

/** Read from the freezer, without asking the runtime. Undefined where that cannot be read: then the runtime's word counts. */
export async function isFrozen(
  world: Pick<HostWorld, 'cgroupMounts'>,
  { pid }: ProcessIdentity,
): Promise<boolean | undefined> {
  const found = controllerDirectory(await world.cgroupMounts(), await readCgroupPaths(pid), 'freezer')
  if (found === undefined) return undefined
  if (found.version === 1) {
    const state = await readIfThere(`${found.directory}/freezer.state`)
    return state === undefined ? undefined : state.trim() === 'FROZEN'
  }
  const events = await readIfThere(`${found.directory}/cgroup.events`)
  const [, frozen] = /^frozen ([01])$/m.exec(events ?? '') ?? []
  return frozen === undefined ? undefined : frozen === '1'
}

/**
 * Resolves when a container that was paused is frozen, or when that cannot be seen. On cgroup v1 crun returns while the
 * kernel is still freezing, and until it is done somebody who looked would take the container for one that runs. ERR_TIMEOUT.
 */
export async function seeFrozen(
  look: () => Promise<boolean | undefined>,
  { id: containerId }: Container,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  if (await waitUntil(async () => (await look()) !== false, limitMs, signal)) return
  const message = `container ${containerId} was paused, but not frozen within ${Math.round(limitMs)} ms`
  throw new OciError('ERR_TIMEOUT', message, { containerId })
}
