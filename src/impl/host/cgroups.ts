/**
 * Where cgroups are on this host, and which a process is in: cgroup v1, v2 and the two side by side.
 *
 * Deliberately not here: limits and their values; runtimes set them. What is read of a group stands with its reader.
 */
import { readFile } from 'node:fs/promises'
import { ioError } from '../../files.ts'
import { errnoOf } from '../../errors/index.ts'

/** One mounted hierarchy. */
export interface CgroupMount {
  readonly mountPoint: string
  /** The group that is mounted there; not `/` where the mount is a container's. */
  readonly root: string
  /** As in /proc/PID/cgroup: controllers of v1, `name=systemd`, and the one name `''` for v2. */
  readonly controllers: readonly string[]
}

/** A process's group by controller, as in /proc/PID/cgroup; the key of v2 is ''. */
export type CgroupPaths = Readonly<Record<string, string>>

const procFileMaxBytes = 1024 * 1024
const mountFlags = new Set([
  'rw',
  'ro',
  'xattr',
  'noprefix',
  'clone_children',
  'cpuset_v2_mode',
  'nsdelegate',
])

/** The hierarchies in the text of /proc/PID/mountinfo, each once. */
export function parseCgroupMounts(mountinfo: string): readonly CgroupMount[] {
  const mounts = new Map<string, CgroupMount>()
  for (const line of mountinfo.split('\n')) {
    const mount = parseMount(line)
    const key = mount?.controllers.join(',')
    if (mount !== undefined && key !== undefined && !mounts.has(key)) mounts.set(key, mount)
  }
  return [...mounts.values()]
}

/** `36 25 0:30 <root> <mount point> rw,… [optional fields] - <type> <source> <options>`, see proc_pid_mountinfo(5). */
function parseMount(line: string): CgroupMount | undefined {
  const [before = '', after = ''] = line.split(' - ')
  const [, , , root, mountPoint] = before.split(' ')
  const [type, , options = ''] = after.split(' ')
  if (root === undefined || mountPoint === undefined) return undefined
  const place = { root: unescaped(root), mountPoint: unescaped(mountPoint) }
  if (type === 'cgroup2') return { ...place, controllers: [''] }
  if (type !== 'cgroup') return undefined
  const controllers = options
    .split(',')
    .filter((name) => !mountFlags.has(name) && !name.startsWith('release_agent='))
  return { ...place, controllers }
}

/** The kernel writes blanks and the like as three octal digits. */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

/** The groups in the text of /proc/PID/cgroup. */
export function parseCgroupPaths(text: string): CgroupPaths {
  const paths: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) continue
    for (const controller of controllers.split(',')) paths[controller] = path
  }
  return paths
}

/** The directory of a group in one hierarchy. */
export function cgroupDirectory(mount: CgroupMount, path: string): string {
  const inside = mount.root !== '/' && isBelow(path, mount.root) ? path.slice(mount.root.length) : path
  return `${mount.mountPoint}${inside}`.replace(/\/+$/, '')
}

function isBelow(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`)
}

/** The directory of the group that has `controller`, on v1 or else on v2; undefined where there is none. */
export function controllerDirectory(
  mounts: readonly CgroupMount[],
  paths: CgroupPaths,
  controller: string,
): { readonly directory: string; readonly version: 1 | 2 } | undefined {
  const mount = mounts.find(({ controllers }) => controllers.includes(controller))
  const path = paths[controller]
  if (mount !== undefined && path !== undefined)
    return { directory: cgroupDirectory(mount, path), version: 1 }
  const unified = mounts.find(({ controllers }) => controllers.includes(''))
  const unifiedPath = paths['']
  // Side by side with v1 the unified hierarchy lacks the controllers that v1 has.
  if (mount !== undefined || unified === undefined || unifiedPath === undefined) return undefined
  return { directory: cgroupDirectory(unified, unifiedPath), version: 2 }
}

/** All directories of a process's groups, but for what is mounted itself: that is everybody's. */
export function cgroupDirectories(mounts: readonly CgroupMount[], paths: CgroupPaths): readonly string[] {
  return mounts.flatMap((mount) => {
    const path = mount.controllers.map((controller) => paths[controller]).find((found) => found !== undefined)
    const directory = path === undefined ? mount.mountPoint : cgroupDirectory(mount, path)
    return directory === mount.mountPoint ? [] : [directory]
  })
}

/**
 * Those groups of a container that are its own: a runtime leaves init where its parent is in hierarchies that it does not
 * use, such as the v2 tree beside v1.
 */
export function ownCgroups(paths: CgroupPaths, ofParent: CgroupPaths): CgroupPaths {
  return Object.fromEntries(Object.entries(paths).filter(([name, path]) => ofParent[name] !== path))
}

/** The hierarchies of this host; none where there is no /proc. Throws ERR_IO. */
export async function readCgroupMounts(): Promise<readonly CgroupMount[]> {
  return parseCgroupMounts((await readIfThere('/proc/self/mountinfo')) ?? '')
}

/** The groups of a process, none when it is gone. Throws ERR_IO. */
export async function readCgroupPaths(pid: number): Promise<CgroupPaths> {
  return parseCgroupPaths((await readIfThere(`/proc/${pid}/cgroup`)) ?? '')
}

/** The pids in a group, none when it is gone. Throws ERR_IO. */
export async function readCgroupProcesses(directory: string): Promise<readonly number[]> {
  const text = (await readIfThere(`${directory}/cgroup.procs`)) ?? ''
  return text.split('\n').filter(Boolean).map(Number)
}

/** A file of /proc or of a cgroup: the kernel's, so neither a link nor without an end. Undefined when it is gone. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).slice(0, procFileMaxBytes)
  } catch (error) {
    const errno = errnoOf(error)
    // ESRCH and ENODEV: it went away after it was opened.
    if (errno === 'ENOENT' || errno === 'ESRCH' || errno === 'ENODEV' || errno === 'ENOTDIR') return undefined
    throw ioError('read', file, error)
  }
}
