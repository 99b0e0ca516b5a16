/** Whether this host's kernel accepts a limit of swap: some distributions boot without its accounting. */
import { existsSync, readFileSync } from 'node:fs'

const cgroupRoot = '/sys/fs/cgroup'

/**
 * False only when the memory controller is there and has no limit of swap: a runtime would then refuse to create a
 * container that asks for one. True when it cannot be told, as on a system that only simulates containers.
 */
export function hostLimitsSwap(): boolean {
  if (existsSync(`${cgroupRoot}/memory/memory.limit_in_bytes`)) {
    return existsSync(`${cgroupRoot}/memory/memory.memsw.limit_in_bytes`)
  }
  // On cgroup v2 the root has no limits, so it is our own group that shows which ones there are.
  const own = ownUnifiedGroup()
  return own === undefined || !existsSync(`${own}/memory.max`) || existsSync(`${own}/memory.swap.max`)
}

function ownUnifiedGroup(): string | undefined {
  if (!existsSync('/proc/self/cgroup')) return undefined
  const path = /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1]
  return path === undefined ? undefined : `${cgroupRoot}${path}`
}
