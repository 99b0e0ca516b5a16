/**
 * Whether the kernel's OOM killer ended a container: as for RuntimeOCI it takes the exit code of a KILL and an OOM kill
 * that our own KILL did not come after. Kills are counted by the kernel where the container's cgroup is this host's, else
 * by the shim; the time of the first is from the shim's event, or Kata's file. Where nobody counts any more, the kernel's log
 * tells of init before these do.
 */
import type { Container } from '../../container.ts'
import { isOciError } from '../../errors/index.ts'
import { endedByOom, modifiedMs, type OomEvidence } from '../host/oom-evidence.ts'
import { isInitOomKilled, type NotedInit, readOomKills } from '../host/oom-kills.ts'
import { taskOf } from './adopt.ts'
import { readMetrics } from './metrics.ts'
import type { Shim } from './shim/connection.ts'
import { placeOf, type VmPlace, type VmWorld } from './world.ts'

const exitCodeOfKill = 128 + 9

export async function oomKilled(world: VmWorld, container: Container, exitCode: number): Promise<boolean> {
  if (exitCode !== exitCodeOfKill) return false
  const [before, task] = await Promise.all([
    world.oomBeforeKill.get(container.id),
    taskOf(world, container).catch((error: unknown) => uncounted(world, container, error)),
  ])
  const evidence = await readOomEvidence(world, container, task?.shim)
  if (evidence.kills === undefined && (await isInitOomKilled(world, await notesOn(world, container))))
    return true
  return endedByOom(evidence, before, task?.exitedMs)
}

async function notesOn(world: VmWorld, container: Container): Promise<NotedInit> {
  const { paths } = await placeOf(world, container)
  return (await world.notebook.read(container, paths.notesFile)) ?? {}
}

/** Without a shim only the kernel can be asked. */
export async function readOomEvidence(
  world: VmWorld,
  container: Container,
  shim: Shim | undefined,
): Promise<OomEvidence> {
  const place = await placeOf(world, container)
  const [kills, firstSeenMs] = await Promise.all([
    readKills(world, place, shim),
    world.outOfMemoryMs.get(container.id) ?? modifiedMs(place.paths.oomFile),
  ])
  return { kills, firstSeenMs }
}

/** Undefined when nobody counts, or when the shim that did is gone. */
async function readKills(
  world: VmWorld,
  { container, paths }: VmPlace,
  shim: Shim | undefined,
): Promise<number | undefined> {
  const notes = await world.notebook.read(container, paths.notesFile)
  const kills = await readOomKills(await world.cgroupMounts(), notes?.cgroupPaths ?? {})
  if (kills !== undefined || shim === undefined) return kills
  try {
    return (await readMetrics(shim, container.id)).counters.oomKills
  } catch (error) {
    return uncounted(world, container, error)
  }
}

function uncounted(world: VmWorld, { id: containerId }: Container, err: unknown): undefined {
  if (!isOciError(err)) throw err
  world.logger.debug({ containerId, err }, 'OOM kills of a container cannot be counted')
}
