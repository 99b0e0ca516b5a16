/**
 * Whether the cgroup that a bundle asks for can be had by a supervisor that is not root: on cgroup v2, where systemd hands
 * a part of the tree to a user (Delegate=yes).
 *
 * The runtimes find out late, in other words, or not at all. Without a path crun 1.8 leaves the limits out and reports
 * success; in a group that has processes of its own the kernel lets nobody have controllers, and both runtimes then make that
 * group, the embedder's service, a threaded one for good. Deliberately not here: v1, where no part is an ordinary user's.
 */
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { OciLinuxResources, OciSpec } from '../../bundle/oci-spec.ts'
import type { Container } from '../../container.ts'
import { errnoOf } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { refusal, statOrAbsent } from '../host/bundle-checks.ts'
import {
  cgroupDirectory,
  type CgroupMount,
  readCgroupPaths,
  readCgroupProcesses,
  readIfThere,
} from '../host/cgroups.ts'

interface Surroundings {
  readonly mounts: readonly CgroupMount[]
  readonly userId?: number | undefined
  /** Of the supervisor, on v2. */
  readonly ownPath?: string | undefined
}

/** Throws ERR_BUNDLE with the field `linux.cgroupsPath` or `linux.resources`, ERR_IO. */
export async function checkDelegatedCgroup(
  container: Container,
  { paths: { configFile } }: { readonly paths: { readonly configFile: string } },
  spec: OciSpec,
  { mounts, userId = process.geteuid?.() ?? 0, ownPath }: Surroundings,
): Promise<void> {
  const unified = mounts.find(({ controllers }) => controllers.includes(''))
  if (userId === 0 || unified === undefined || mounts.length > 1) return
  const wrong = (what: string, field: string) =>
    refusal(container, 'ERR_BUNDLE', `${configFile}: ${what}`, field, configFile)
  const path = spec.linux?.cgroupsPath ?? ''
  const needed = neededControllers(spec.linux?.resources)
  if (!path.startsWith('/')) {
    if (path === '' && needed.length === 0) return
    const why = needed.length === 0 ? '' : `, since linux.resources has limits (${needed.join(', ')})`
    const rule = `must be an absolute path in a cgroup that is delegated to user ${userId}${why}`
    throw wrong(`linux.cgroupsPath ${rule}; it is ${JSON.stringify(path)}`, 'linux.cgroupsPath')
  }
  const own = ownPath ?? (await readCgroupPaths(process.pid))[''] ?? '/'
  const parent = await nearestDirectory(cgroupDirectory(unified, path))
  // A process changes its group only where the user may write what both groups have in common.
  const shared = commonDirectory(parent, cgroupDirectory(unified, own))
  if (!(await mayWrite(parent)) || !(await mayWrite(`${shared}/cgroup.procs`))) {
    const rule = `must be in a cgroup that is delegated to user ${userId}, and the supervisor in it as well`
    const remedy = 'a unit of systemd with User= and Delegate=yes has one'
    throw wrong(`linux.cgroupsPath ${path} ${rule}; ${remedy}`, 'linux.cgroupsPath')
  }
  const [pid] = await readCgroupProcesses(parent)
  if (pid !== undefined) {
    const rule = `must be in a cgroup that has no processes of its own; ${parent} has pid ${pid}`
    const remedy = 'move them to a group below it before Runtime.open'
    throw wrong(`linux.cgroupsPath ${path} ${rule}: ${remedy}`, 'linux.cgroupsPath')
  }
  const offered = ((await readIfThere(`${parent}/cgroup.controllers`)) ?? '').trim().split(' ')
  const missing = needed.filter((controller) => !offered.includes(controller))
  if (missing.length === 0) return
  const message = `linux.resources must have no limits that need ${missing.join(', ')}: ${parent} has no such controller`
  throw wrong(message, 'linux.resources')
}

/** The rules for devices are no limits: the runtimes leave them out where they may not set them. */
function neededControllers(resources: OciLinuxResources | undefined): readonly string[] {
  const { memory, cpu, pids, blockIO, hugepageLimits, rdma } = resources ?? {}
  const { cpus, mems, ...time } = cpu ?? {}
  const asked = [
    ['memory', memory],
    ['cpu', time],
    ['cpuset', { cpus: cpus || undefined, mems: mems || undefined }],
    ['pids', pids],
    ['io', blockIO],
    ['hugetlb', hugepageLimits],
    ['rdma', rdma],
  ] as const
  return asked.filter(([, limits]) => saysSomething(limits)).map(([controller]) => controller)
}

function saysSomething(limits: unknown): boolean {
  return typeof limits === 'object' && limits !== null && Object.values(limits).some((each) => each != null)
}

/** The group itself or the nearest above it that is there. */
async function nearestDirectory(directory: string): Promise<string> {
  let nearest = directory
  while (nearest !== '/' && (await statOrAbsent(nearest, stat)) === undefined) nearest = dirname(nearest)
  return nearest
}

function commonDirectory(one: string, other: string): string {
  const names = other.split('/')
  const until = one.split('/').findIndex((name, at) => name !== names[at])
  return until < 0 ? one : names.slice(0, until).join('/')
}

async function mayWrite(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK)
    return true
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EACCES' || errno === 'EROFS' || errno === 'ENOENT' || errno === 'EPERM') return false
    throw ioError('examine', path, error)
  }
}
