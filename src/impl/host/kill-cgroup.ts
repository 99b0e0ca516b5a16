/** Killing all that is in cgroups, where no runtime does it. */
import { readIdentity } from '../process-identity.ts'
import { signalIfAllowed } from '../process-tree.ts'
import { cgroupDirectories, type CgroupMount, readCgroupPaths, readCgroupProcesses } from './cgroups.ts'
import { groupsIn } from './container-cgroups.ts'
import { waitUntil } from './waiting.ts'

const SIGKILL = 9
/** Each round finds what was forked before its parent was killed. */
const emptyMs = 5000

/**
 * Kills whatever is in the groups and below them. Each pid is looked up again before it is signalled, so that one that was
 * handed to a stranger meanwhile is not hit; one that we may not signal saves none of the others. True when nobody was in them.
 */
export async function killCgroup(
  mounts: readonly CgroupMount[],
  directories: readonly string[],
  pathsOf = readCgroupPaths,
): Promise<boolean> {
  const ours = cgroupDirectories(mounts, await pathsOf(process.pid))
  let isEmpty = true
  for (const directory of directories) {
    // Whatever was noted: a group that we are in is no container's.
    if (ours.some((own) => own === directory || own.startsWith(`${directory}/`))) continue
    if (!(await killCgroup(mounts, await groupsIn(directory), pathsOf))) isEmpty = false
    for (const pid of await readCgroupProcesses(directory)) {
      if (pid <= 1 || pid === process.pid) continue
      const identity = await readIdentity(pid)
      const inside = cgroupDirectories(mounts, await pathsOf(pid)).includes(directory)
      if (identity === undefined || !inside) continue
      isEmpty = false
      signalIfAllowed(identity, SIGKILL)
    }
  }
  return isEmpty
}

/** Kills until nobody is in them any more; false when that takes too long. */
export async function emptyCgroup(
  mounts: readonly CgroupMount[],
  directories: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  return waitUntil(() => killCgroup(mounts, directories), emptyMs, signal)
}
