/**
 * Whether the kernel's OOM killer ended a container.
 *
 * An exit by KILL alone says nothing, and the OOM killer may have taken a child long before. So it takes both: the exit
 * code of a KILL, and an OOM kill in the container's memory cgroup that our own KILL did not come after. The kernel's
 * counter decides. Where that is gone, as systemd removes cgroups, it is the kernel's log that tells of init; and where that
 * tells nothing conmon's `oom` file, which conmon 2.1 misses once in a hundred times.
 *
 * What no evidence can tell: the counter dates none of the kills and conmon only the first. So where two children or more
 * were killed before, a KILL by somebody else counts as out of memory; and so does a shell that passes on the 137 of a
 * child that was killed a moment ago.
 */
import { readBundleSpec } from '../../bundle/bundle.ts'
import type { Container } from '../../container.ts'
import type { CgroupPaths } from '../host/cgroups.ts'
import { endedByOom, modifiedMs, type OomEvidence } from '../host/oom-evidence.ts'
import { isInitOomKilled, readOomKills } from '../host/oom-kills.ts'
import type { Notes } from './notes.ts'
import { type OciWorld, type Place, placeOf } from './world.ts'

const exitCodeOfKill = 128 + 9

export async function oomKilled(world: OciWorld, container: Container, exitCode: number): Promise<boolean> {
  if (exitCode !== exitCodeOfKill) return false
  const place = await placeOf(world, container)
  const evidence = await readOomEvidence(world, place)
  if (evidence.kills === undefined) {
    const notes = await world.notebook.read(container, place.paths.notesFile)
    if (notes !== undefined && (await isInitOomKilled(world, notes))) return true
  }
  const exitedMs = await modifiedMs(place.paths.persistedExitFile)
  return endedByOom(evidence, world.oomBeforeKill.get(container.id), exitedMs)
}

export async function readOomEvidence(world: OciWorld, { container, paths }: Place): Promise<OomEvidence> {
  const notes = await world.notebook.read(container, paths.notesFile)
  // Whoever was killed in a group that others are in as well, it need not be this container.
  if (notes?.sharesCgroup === true) return { kills: undefined, firstSeenMs: undefined }
  const { persistedOomFile, bundleOomFile } = paths
  return {
    kills: await readOomKills(await world.cgroupMounts(), await cgroupPathsOf(container, notes)),
    firstSeenMs: (await modifiedMs(persistedOomFile)) ?? (await modifiedMs(bundleOomFile)),
  }
}

/** As init had them, or as an absolute path in the spec says; a relative one means different things to each runtime. */
async function cgroupPathsOf(container: Container, notes: Notes | undefined): Promise<CgroupPaths> {
  if (notes !== undefined && Object.keys(notes.cgroupPaths).length > 0) return notes.cgroupPaths
  const path = (await readBundleSpec(container)).linux?.cgroupsPath
  return path?.startsWith('/') === true ? { memory: path, '': path } : {}
}
