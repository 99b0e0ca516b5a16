/** Whether a container is frozen, by its cgroup. */
import type { HostWorld } from './world.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { controllerDirectory, readCgroupPaths, readIfThere } from './cgroups.ts'

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
