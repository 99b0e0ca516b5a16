/** Where this host keeps a container's cgroup, and its limits in the words of cgroup v1, whichever version it has. */
import { existsSync, readFileSync } from 'node:fs'

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
