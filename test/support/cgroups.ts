/** Where this host keeps a container's cgroup, and its limits in the words of cgroup v1, whichever version it has. */
import { existsSync, readdirSync, readFileSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { ifThere, readIfThere } from './proc.ts'

export const hasUnifiedCgroups = existsSync('/sys/fs/cgroup/cgroup.controllers')

/** The directory of a group: the only one on v2, that of the controller on v1. */
export function groupDirectory(controller: string, path: string): string {
  return `/sys/fs/cgroup/${hasUnifiedCgroups ? '' : `${controller}/`}${path.replace(/^\//, '')}`
}

/** More than any size: how v1 says that there is no limit. */
const noLimit = 2n ** 63n - 4096n

/** A limit as the kernel has it, by the name of its file on cgroup v1. */
export function limitOf(path: string, file: string): string {
  const directory = groupDirectory(file.split('.')[0] ?? '', path)
  const read = (name: string): string => readFileSync(`${directory}/${name}`, 'utf8').trim()
  if (!hasUnifiedCgroups) return read(file)
  const bytes = (name: string): bigint => (read(name) === 'max' ? noLimit : BigInt(read(name)))
  const [quota = '', period = ''] = file.startsWith('cpu.') ? read('cpu.max').split(' ') : []
  switch (file) {
    case 'memory.limit_in_bytes':
      return String(bytes('memory.max'))
    case 'memory.memsw.limit_in_bytes':
      return String(bytes('memory.max') + bytes('memory.swap.max'))
    case 'memory.soft_limit_in_bytes':
      return String(bytes('memory.low'))
    case 'cpu.cfs_quota_us':
      return quota === 'max' ? '-1' : quota
    case 'cpu.cfs_period_us':
      return period
    case 'cpu.shares':
      return read('cpu.weight')
    default:
      return read(file)
  }
}

/** CPU shares as {@link limitOf} shows them: v2 has weights, by the conversion that runtimes agreed on. */
export function sharesAs(shares: number): string {
  return String(hasUnifiedCgroups ? 1 + Math.floor(((shares - 2) * 9999) / 262_142) : shares)
}

/** The types of file systems that statfs(2) reports for cgroups v1 and v2. */
const cgroupMagics = new Set([0x27e0eb, 0x63677270])

/** Where a hierarchy is mounted, for each that is. */
export function allCgroupRoots(): string[] {
  const mounts = readIfThere('/proc/self/mountinfo').split('\n')
  const roots = mounts.flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ')
    const root = before.split(' ')[4]
    return root !== undefined && /^cgroup2? /.test(after) ? [root] : []
  })
  return [...new Set(roots)]
}

/** Every group of every hierarchy that is mounted here. */
export function allCgroups(): string[] {
  return allCgroupRoots().flatMap((root) => cgroupsBelow(root))
}

/**
 * Real ones only: below /sys/fs/cgroup there may be plain directories, since crun makes some for cgroup v2 where there is
 * none.
 */
function cgroupsBelow(directory: string): string[] {
  const entries = ifThere(() => readdirSync(directory, { withFileTypes: true })) ?? []
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name)
    if (!entry.isDirectory() || !cgroupMagics.has(ifThere(() => statfsSync(path).type) ?? 0)) return []
    return [path, ...cgroupsBelow(path)]
  })
}
