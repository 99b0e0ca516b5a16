/**
 * Whether a container has a cgroup of its own. Without root, and without a path in its bundle, it stays in that of its
 * monitor: with conmon, often with the embedder and other containers. What is counted there, limited or frozen is theirs,
 * too.
 */
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import { type CgroupPaths, ownCgroups, readCgroupPaths } from '../host/cgroups.ts'
import type { Notes } from './notes.ts'

/** What is to be noted of the groups that init was seen in. Throws ERR_IO. */
export async function notedCgroups(
  cgroupPaths: CgroupPaths,
  monitorPid: number | undefined,
): Promise<Pick<Notes, 'cgroupPaths' | 'sharesCgroup'>> {
  const ofMonitor = monitorPid === undefined ? {} : await readCgroupPaths(monitorPid)
  if (areTheSame(cgroupPaths, ofMonitor)) return { cgroupPaths: {}, sharesCgroup: true }
  return { cgroupPaths: ownCgroups(cgroupPaths, ofMonitor) }
}

/** In every hierarchy: on v1 root may leave a container where it is in those that it needs not. */
export function areTheSame(one: CgroupPaths, other: CgroupPaths): boolean {
  const entries = Object.entries(one)
  return entries.length > 0 && entries.every(([controller, path]) => other[controller] === path)
}

/** ERR_UNSUPPORTED with the field of the bundle where the container has none. */
export function assertOwnCgroup(container: Container, notes: Notes | undefined, toDo: string): void {
  if (notes?.sharesCgroup !== true) return
  const { id: containerId } = container
  const message = `container ${containerId} has no cgroup of its own, so ${toDo}; its bundle's linux.cgroupsPath must be in a cgroup that is delegated to the supervisor's user`
  throw new OciError('ERR_UNSUPPORTED', message, { containerId, field: 'linux.cgroupsPath' })
}
