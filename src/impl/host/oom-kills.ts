/** The kernel's count of the OOM kills in a container's memory cgroup, of cgroup v1 and v2. */
import { type CgroupMount, type CgroupPaths, controllerDirectory, readIfThere } from './cgroups.ts'

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
