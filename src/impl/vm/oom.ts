/**
 * Whether the kernel's OOM killer ended a container: as for RuntimeOCI it takes the exit code of a KILL and an OOM kill
 * that our own KILL did not come after. The evidence is the shim's: its counters, its event, or Kata's file.
 */
import type { Container } from '../../container.ts'
import { isOciError } from '../../errors/index.ts'
import { endedByOom, modifiedMs, type OomEvidence } from '../host/oom-evidence.ts'
import { taskOf } from './adopt.ts'
import { readMetrics } from './metrics.ts'
import type { Shim } from './shim/connection.ts'
import { placeOf, type VmWorld } from './world.ts'

const exitCodeOfKill = 128 + 9

export async function oomKilled(world: VmWorld, container: Container, exitCode: number): Promise<boolean> {
  if (exitCode !== exitCodeOfKill) return false
  const [before, task] = await Promise.all([
    world.oomBeforeKill.get(container.id),
    taskOf(world, container).catch((error: unknown) => uncounted(world, container, error)),
  ])
  const evidence = await readOomEvidence(world, container, task?.shim)
  return endedByOom(evidence, before, task?.exitedMs)
}

/** The shim is asked before this returns; undefined where there is none any more. */
export async function readOomEvidence(
  world: VmWorld,
  container: Container,
  shim: Shim | undefined,
): Promise<OomEvidence> {
  const counting = shim === undefined ? undefined : readKills(world, container, shim)
  const toldMs = world.outOfMemoryMs.get(container.id)
  const noted = toldMs === undefined ? notedMs(world, container) : toldMs
  const [kills, firstSeenMs] = await Promise.all([counting, noted])
  return { kills, firstSeenMs }
}

/** Undefined when nobody counts, or when the shim that did is gone. */
async function readKills(world: VmWorld, container: Container, shim: Shim): Promise<number | undefined> {
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

async function notedMs(world: VmWorld, container: Container): Promise<number | undefined> {
  const { paths } = await placeOf(world, container)
  return modifiedMs(paths.oomFile)
}
