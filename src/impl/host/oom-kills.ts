/** How many processes of a container the kernel's OOM killer took. */
import type { ProcessIdentity } from '../runtime-impl.ts'
import { type CgroupMount, type CgroupPaths, controllerDirectory, readIfThere } from './cgroups.ts'
import type { HostWorld } from './world.ts'

/** What the notes on a container say of it that matters here. */
export interface NotedForOom {
  readonly init?: ProcessIdentity | undefined
  readonly cgroupPaths: CgroupPaths
  /** Where the kernel's log ended when the container was created; only where systemd manages cgroups. */
  readonly kernelLogEnd?: number | undefined
}

/**
 * By the counter of the container's memory cgroup; where systemd has removed that, by the kernel's log. Undefined when
 * neither tells: what the log does not have may have been overwritten. Throws ERR_IO.
 */
export async function readOomKills(
  world: Pick<HostWorld, 'cgroupMounts' | 'kernelLog'>,
  { init, cgroupPaths, kernelLogEnd }: NotedForOom,
): Promise<number | undefined> {
  const counted = await readCounter(await world.cgroupMounts(), cgroupPaths)
  if (counted !== undefined || kernelLogEnd === undefined) return counted
  const cgroupPath = cgroupPaths['memory'] ?? cgroupPaths['']
  const logged = await world.kernelLog.countKills(kernelLogEnd, { initPid: init?.pid, cgroupPath })
  return logged === 0 ? undefined : logged
}

async function readCounter(
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
