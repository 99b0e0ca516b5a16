/** Removing cgroups: a list of them, or those that a container left behind. */
import { rmdir } from 'node:fs/promises'
import { readBundleSpec } from '../../bundle/bundle.ts'
import type { Container } from '../../container.ts'
import { errnoOf, isOciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import type { HostWorld, RuntimePlace } from './world.ts'
import { cgroupDirectories, cgroupDirectory, type CgroupPaths } from './cgroups.ts'
import { throwIfAborted, waitUntil } from './waiting.ts'

/** What the notes on a container say of its cgroups. */
interface CgroupNotes {
  readonly cgroupPaths: CgroupPaths
}

/** A runtime that was killed within create forgets the container and leaves its cgroups. They do no harm if they stay. */
export async function removeContainerCgroups(
  world: Pick<HostWorld, 'cgroupMounts' | 'logger'>,
  { container }: Pick<RuntimePlace, 'container'>,
  notes: CgroupNotes | undefined,
  signal: AbortSignal,
): Promise<void> {
  try {
    await removeCgroups(await containerCgroups(world, container, notes), signal)
  } catch (error) {
    throwIfAborted(signal)
    world.logger.debug({ containerId: container.id, err: error }, 'a cgroup of a container stays')
  }
}

async function containerCgroups(
  world: Pick<HostWorld, 'cgroupMounts'>,
  container: Container,
  notes: CgroupNotes | undefined,
): Promise<readonly string[]> {
  const mounts = await world.cgroupMounts()
  if (notes !== undefined && Object.keys(notes.cgroupPaths).length > 0) {
    return cgroupDirectories(mounts, notes.cgroupPaths)
  }
  const path = await cgroupsPathOf(container)
  return path === undefined ? [] : mounts.map((mount) => cgroupDirectory(mount, path))
}

async function cgroupsPathOf(container: Container): Promise<string | undefined> {
  try {
    const path = (await readBundleSpec(container)).linux?.cgroupsPath ?? ''
    return /^\/+[^/]/.test(path) && !path.split('/').includes('..') ? path : undefined
  } catch (error) {
    // The bundle may be gone or have been broken all along.
    if (isOciError(error)) return undefined
    throw error
  }
}

const removeMs = 1000

/**
 * Removes the group, once it is empty; its parents are not ours. What one controller refuses does not keep the others.
 * Throws ERR_IO when something stays in it, before that what the system refused (then with an errno in its cause).
 */
export async function removeCgroups(directories: readonly string[], signal: AbortSignal): Promise<void> {
  const failures: unknown[] = []
  // A dead process stays in its groups until it is reaped; one wait is for all of them.
  const endMs = performance.now() + removeMs
  for (const directory of directories) {
    try {
      const removed = await waitUntil(() => removeCgroup(directory), endMs - performance.now(), signal)
      if (!removed) failures.push(ioError('remove', directory, new Error('it is not empty')))
    } catch (error) {
      throwIfAborted(signal)
      failures.unshift(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** Only rmdir: the files of a group cannot be removed and need not be. */
async function removeCgroup(directory: string): Promise<boolean> {
  try {
    await rmdir(directory)
    return true
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT') return true
    if (errno === 'EBUSY') return false
    throw ioError('remove', directory, error)
  }
}
