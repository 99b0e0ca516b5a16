/** Whether a container is frozen, by its cgroup, and its thaw where no runtime knows it any more. */
import { writeFile } from 'node:fs/promises'
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
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
 * Thaws the group that the process is in, which has to be its container's own. For containers that their runtime does not
 * know any more: nobody else would. Does nothing where no freezer can be seen, or nothing is frozen. Throws ERR_IO.
 */
export async function thaw(world: Pick<HostWorld, 'cgroupMounts'>, init: ProcessIdentity): Promise<void> {
  if ((await isFrozen(world, init)) !== true) return
  const found = controllerDirectory(await world.cgroupMounts(), await readCgroupPaths(init.pid), 'freezer')
  if (found === undefined) return
  const [name, words] = found.version === 1 ? ['freezer.state', 'THAWED'] : ['cgroup.freeze', '0']
  const file = `${found.directory}/${name}`
  try {
    await writeFile(file, words, { flag: 'r+' })
  } catch (error) {
    throw ioError('write', file, error)
  }
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
