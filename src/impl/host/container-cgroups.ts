/**
 * Removing cgroups: a list of them, those that a container left behind, and those above them that were made for it.
 *
 * Deliberately not here: groups that were there before a container was created; they are somebody's who counts on them.
 */
import { lstat, readdir, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readBundleSpec } from '../../bundle/bundle.ts'
import type { OciSpec } from '../../bundle/oci-spec.ts'
import type { Container } from '../../container.ts'
import { errnoOf, isOciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { readIdentity } from '../process-identity.ts'
import { statOrAbsent } from './bundle-checks.ts'
import type { HostWorld, RuntimePlace } from './world.ts'
import {
  cgroupDirectories,
  cgroupDirectory,
  type CgroupMount,
  type CgroupPaths,
  readCgroupProcesses,
} from './cgroups.ts'
import { throwIfAborted, waitUntil } from './waiting.ts'

/** What the notes on a container say of its cgroups. */
interface CgroupNotes {
  readonly cgroupPaths: CgroupPaths
}

/** A runtime that was killed within create, or refused, forgets the container and leaves them. They do no harm if they stay. */
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

/** Those that init was seen in or, before it was, those that the bundle asks for. */
async function containerCgroups(
  world: Pick<HostWorld, 'cgroupMounts'>,
  container: Container,
  notes: CgroupNotes | undefined,
): Promise<readonly string[]> {
  const mounts = await world.cgroupMounts()
  if (notes !== undefined && Object.keys(notes.cgroupPaths).length > 0) {
    return cgroupDirectories(mounts, notes.cgroupPaths)
  }
  try {
    const path = containerCgroupPath(container.id, await readBundleSpec(container))
    return path === undefined ? [] : mounts.map((mount) => cgroupDirectory(mount, path))
  } catch (error) {
    // The bundle may be gone or have been broken all along.
    if (isOciError(error)) return []
    throw error
  }
}

/**
 * The path that runtimes give the container's group. A relative one begins at the root for crun; for runc it is below
 * the group of the monitor, and goes with that. Undefined for systemd's, which removes them itself.
 */
export function containerCgroupPath(id: string, { linux }: Pick<OciSpec, 'linux'>): string | undefined {
  const names = (linux?.cgroupsPath || id).split('/').filter(Boolean)
  const isPath = names.length > 0 && !names.some((name) => name === '.' || name === '..')
  return isPath && !names.some((name) => name.includes(':')) ? `/${names.join('/')}` : undefined
}

/** Directories of these groups, and of those above them, that are not there yet; the deepest first. Throws ERR_IO. */
export async function missingCgroups(
  mounts: readonly CgroupMount[],
  paths: readonly string[],
): Promise<readonly string[]> {
  const missing = new Set<string>()
  const look = async ({ mountPoint }: CgroupMount, directory: string): Promise<void> => {
    if (directory.length <= mountPoint.length || missing.has(directory)) return
    if ((await statOrAbsent(directory, lstat)) !== undefined) return
    missing.add(directory)
    await look({ mountPoint, root: '', controllers: [] }, dirname(directory))
  }
  await Promise.all(mounts.flatMap((mount) => paths.map((path) => look(mount, cgroupDirectory(mount, path)))))
  return [...missing].toSorted((one, other) => other.length - one.length)
}

/**
 * Removes groups that a create had made, the deepest first, but for those that other containers have come to be in: they go
 * into `shared`, and with one of these. Never rejects: they do no harm if they stay.
 */
export async function removeMadeParents(directories: readonly string[], shared: Set<string>): Promise<void> {
  for (const directory of directories) shared.add(directory)
  for (const directory of [...shared].toSorted((one, other) => other.length - one.length)) {
    try {
      await rmdir(directory)
    } catch (error) {
      if (errnoOf(error) === 'EBUSY') continue
    }
    shared.delete(directory)
  }
}

/** For a process that lives on in the group: it may be meant to stay. */
const livingMs = 1000
/** For dead ones, which stay in their groups until they are reaped. */
const deadMaxMs = 10_000

/**
 * Removes each group with those in it, once no process is; its parents are not ours. What one controller refuses does not
 * keep the others. Throws ERR_IO when something stays in it, before that what the system refused (then with an errno in
 * its cause).
 */
export async function removeCgroups(directories: readonly string[], signal: AbortSignal): Promise<void> {
  const failures: unknown[] = []
  // One wait is for all.
  const beginMs = performance.now()
  for (const directory of directories) {
    let isRemoved = false
    const isDecided = async (): Promise<boolean> => {
      isRemoved = await removeCgroup(directory)
      return isRemoved || (performance.now() - beginMs > livingMs && (await isLivedIn(directory)))
    }
    try {
      await waitUntil(isDecided, beginMs + deadMaxMs - performance.now(), signal)
      if (!isRemoved) failures.push(ioError('remove', directory, new Error('it is not empty')))
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
    if (errno !== 'EBUSY') throw ioError('remove', directory, error)
  }
  const inside = await groupsIn(directory)
  for (const group of inside) if (!(await removeCgroup(group))) return false
  return inside.length > 0 && removeCgroup(directory)
}

/** The groups directly in this one. Throws ERR_IO. */
export async function groupsIn(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${directory}/${name}`)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw ioError('list', directory, error)
  }
}

async function isLivedIn(directory: string): Promise<boolean> {
  for (const pid of await readCgroupProcesses(directory)) {
    if ((await readIdentity(pid)) !== undefined) return true
  }
  for (const group of await groupsIn(directory)) if (await isLivedIn(group)) return true
  return false
}
