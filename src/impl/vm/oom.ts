/**
 * Whether the kernel's OOM killer ended a container: as for RuntimeOCI it takes the exit code of a KILL and an OOM kill
 * that our own KILL did not come after. The evidence is the shim's: its counters, its event, or Kata's file.
 */
import { stat } from 'node:fs/promises'
import type { Container } from '../../container.ts'
import { errnoOf, isOciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { endedByOom, type OomEvidence } from '../oci/oom.ts'
import { taskOf } from './adopt.ts'
import { readMetrics } from './metrics.ts'
import { placeOf, type VmWorld } from './world.ts'

const exitCodeOfKill = 128 + 9

export async function oomKilled(world: VmWorld, container: Container, exitCode: number): Promise<boolean> {
  if (exitCode !== exitCodeOfKill) return false
  const evidence = await readOomEvidence(world, container)
  const task = await world.tasks.get(container.id)
  return endedByOom(evidence, world.oomBeforeKill.get(container.id), task?.exitedMs)
}

export async function readOomEvidence(world: VmWorld, container: Container): Promise<OomEvidence> {
  const { paths } = await placeOf(world, container)
  return {
    kills: await readKills(world, container),
    firstSeenMs: world.outOfMemoryMs.get(container.id) ?? (await modifiedMs(paths.oomFile)),
  }
}

/** Undefined when nobody counts, or when the shim that did is gone. */
async function readKills(world: VmWorld, container: Container): Promise<number | undefined> {
  try {
    const { shim } = await taskOf(world, container)
    return (await readMetrics(shim, container.id)).counters.oomKills
  } catch (error) {
    if (!isOciError(error)) throw error
    world.logger.debug(
      { containerId: container.id, err: error },
      'OOM kills of a container cannot be counted',
    )
    return undefined
  }
}

async function modifiedMs(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).mtimeMs
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw ioError('examine', file, error)
  }
}
