/**
 * What the kernel tells of OOM kills in a container: by the counter of its memory cgroup, of cgroup v1 and v2, and where
 * systemd has removed that, by its log.
 */
import type { ProcessIdentity } from '../runtime-impl.ts'
import { type CgroupMount, type CgroupPaths, controllerDirectory, readIfThere } from './cgroups.ts'
import type { LogPosition } from './kernel-log.ts'
import type { HostWorld } from './world.ts'

/** Undefined when the group is gone, or the kernel does not count. Throws ERR_IO. */
export async function readOomKills(
  mounts: readonly CgroupMount[],
  cgroupPaths: CgroupPaths,
): Promise<number | undefined> {
  const found = controllerDirectory(mounts, cgroupPaths, 'memory')
  if (found === undefined) return undefined
  const file = found.version === 1 ? 'memory.oom_control' : 'memory.events'
  return parseOomKills((await readIfThere(`${found.directory}/${file}`)) ?? '')
}

/** Both versions of cgroups count in a line `oom_kill <n>`. */
export function parseOomKills(text: string): number | undefined {
  const digits = /^oom_kill (\d+)$/m.exec(text)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** What the notes on a container say of its init. */
export interface NotedInit {
  readonly init?: ProcessIdentity | undefined
  /** The end of the kernel's log when the container was created; only where systemd manages cgroups. */
  readonly kernelLogEnd?: LogPosition | undefined
}

/** True when the kernel's log tells that the OOM killer took init itself. False is no evidence of the contrary. */
export async function isInitOomKilled(
  world: Pick<HostWorld, 'kernelLog'>,
  { init, kernelLogEnd }: NotedInit,
): Promise<boolean> {
  if (init === undefined || kernelLogEnd === undefined) return false
  return world.kernelLog.tellsOfKill(init.pid, kernelLogEnd)
}
