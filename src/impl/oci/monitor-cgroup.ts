/**
 * The monitor's own cgroup, `<parent>/crio-conmon-<id>` as CRI-O names it: it keeps conmon, the runtime and its hooks out
 * of ours, and names them when nothing else does.
 *
 * Being outside is a nicety: a hierarchy that cannot be written is left out, as in CRI-O, and create goes on.
 * Deliberately not here: systemd's scopes (host/monitor-scope.ts).
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { OciSpec } from '../../bundle/oci-spec.ts'
import type { Container } from '../../container.ts'
import { errnoOf, OciError } from '../../errors/index.ts'
import type { Logger } from '../../surroundings/logger.ts'
import { cgroupDirectory, type CgroupMount } from '../host/cgroups.ts'
import { containerCgroupPath, missingCgroups } from '../host/container-cgroups.ts'
import type { Notes } from './notes.ts'

/** The group's path, the same in all hierarchies. ERR_INVALID_ARGUMENT when the parent is no path of a cgroup. */
export function monitorCgroupPath(cgroupParent: string | undefined, id: string): string {
  const names = (cgroupParent ?? '').split('/').filter(Boolean)
  const wrong = names.find((name) => name === '.' || name === '..' || /[\0\n]/.test(name))
  if (wrong !== undefined) {
    const message = `cgroupParent ${JSON.stringify(cgroupParent)} must be the path of a cgroup without . and ..`
    throw new OciError('ERR_INVALID_ARGUMENT', message, { containerId: id, field: 'cgroupParent' })
  }
  return `/${[...names, `crio-conmon-${id}`].join('/')}`
}

/** Its directory in every hierarchy that this host has. */
export function monitorCgroupDirectories(mounts: readonly CgroupMount[], path: string): readonly string[] {
  return mounts.map((mount) => cgroupDirectory(mount, path))
}

/**
 * The groups that a create is going to make, by what is there before it: nothing else may be ended or removed for being
 * there afterwards. A relative path of a bundle begins where the runtime likes, so the group is nobody's for sure.
 */
export async function cgroupsToMake(
  mounts: readonly CgroupMount[],
  { place: { container }, spec, monitorCgroup }: CgroupWishes,
): Promise<Required<Pick<Notes, 'madeCgroups' | 'madeParents'>>> {
  const path = containerCgroupPath(container.id, spec)
  const missing = await missingCgroups(mounts, [
    dirname(monitorCgroup),
    ...(path === undefined ? [] : [path]),
  ])
  const own = new Set(path === undefined ? [] : mounts.map((mount) => cgroupDirectory(mount, path)))
  const isCertain = /^(\/|$)/.test(spec.linux?.cgroupsPath ?? '')
  return {
    madeCgroups: missing.filter((directory) => isCertain && own.has(directory)),
    madeParents: missing.filter((directory) => !own.has(directory)),
  }
}

interface CgroupWishes {
  readonly place: { readonly container: Pick<Container, 'id'> }
  readonly spec: OciSpec
  readonly monitorCgroup: string
}

/** Where it is when nothing is known of it but the container's id: at the top, where create puts it by default. */
export function usualMonitorCgroups(mounts: readonly CgroupMount[], id: string): readonly string[] {
  return monitorCgroupDirectories(mounts, monitorCgroupPath(undefined, id))
}

/** Makes the group in every hierarchy and moves the process there. Never rejects. */
export async function moveToMonitorCgroup(
  mounts: readonly CgroupMount[],
  path: string,
  pid: number,
  logger: Logger,
): Promise<void> {
  for (const mount of mounts) {
    const directory = cgroupDirectory(mount, path)
    try {
      await mkdir(directory, { recursive: true })
      if (mount.controllers.includes('cpuset')) await fillCpuset(mount.mountPoint, directory)
      await writeFile(`${directory}/cgroup.procs`, String(pid), { flag: 'r+' })
    } catch (error) {
      logger.debug({ directory, pid, err: error }, 'the monitor stays where it is in this cgroup hierarchy')
    }
  }
}

/**
 * Puts a command's monitor to the container's, out of the embedder's service. Never rejects: the group may be gone, and
 * the command is no worse for it until that service is restarted.
 */
export async function joinMonitorCgroup(
  directories: readonly string[],
  pid: number,
  logger: Logger,
): Promise<void> {
  for (const directory of directories) {
    try {
      await writeFile(`${directory}/cgroup.procs`, String(pid), { flag: 'r+' })
    } catch (error) {
      // v1: systemd has the unit in some hierarchies only. ESRCH: a short command.
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') continue
      logger.debug({ directory, pid, err: error }, 'the monitor of a command stays where it is')
    }
  }
}

/** v1: nothing can enter a cpuset before it has CPUs and memory nodes, and a new one has none. */
async function fillCpuset(mountPoint: string, directory: string): Promise<void> {
  const names = directory.slice(mountPoint.length).split('/').filter(Boolean)
  let parent = mountPoint
  for (const name of names) {
    const child = `${parent}/${name}`
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if ((await readFile(`${child}/${file}`, 'latin1')).trim() !== '') continue
      await writeFile(`${child}/${file}`, await readFile(`${parent}/${file}`, 'latin1'), { flag: 'r+' })
    }
    parent = child
  }
}
