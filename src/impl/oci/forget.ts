/** The last steps of clean-up and delete: the monitor's end, its cgroup, the files, and what this process remembers. */
import { readdir } from 'node:fs/promises'
import { errnoOf, isOciError, OciError, type ErrorCode } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { removeMadeFiles } from './leftovers.ts'
import { killAndWait, processEnds } from './monitor.ts'
import { runRuntime, type RuntimePlace, type RuntimeWorld } from './runtime-command.ts'
import type { OciWorld, Place } from './world.ts'

/** A monitor ends right after the exit file, unless an attach client that does not read holds it up. */
const monitorEndMs = 3000
const monitorKillMs = 3000

/** What `delete` gets where the runtime keeps nothing of the container: it has little to do. */
const deleteNothingMs = 5000

/** Ways in which a runtime fails that say nothing of the container: it is missing, crashes, hangs, or has words of its own. */
const runtimeFaults: ReadonlySet<ErrorCode> = new Set([
  'ERR_RUNTIME_NOT_FOUND',
  'ERR_RUNTIME_FAILED',
  'ERR_TIMEOUT',
])

/**
 * `delete` by the runtime; a container that it does not know is deleted. When the runtime itself is broken, its files
 * decide: one that could not delete would not have created either, and a failed create must not stay for ever.
 */
export async function deleteFromRuntime(
  world: RuntimeWorld & Pick<OciWorld, 'logger'>,
  place: RuntimePlace,
  flags: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const limit = (await keepsAnything(place)) ? {} : { timeoutMs: deleteNothingMs }
  try {
    await runRuntime(world, place, { verb: 'delete', flags, ...limit }, signal)
  } catch (error) {
    if (!isOciError(error)) throw error
    if (error.code === 'ERR_UNKNOWN_TO_RUNTIME') return
    if (!runtimeFaults.has(error.code) || (await keepsAnything(place))) throw error
    world.logger.warn(
      { containerId: place.container.id, err: error },
      'the runtime cannot delete, and has nothing to',
    )
  }
}

/** Whether anything in the runtime's root bears the id. Most keep a directory of that name, gVisor files beginning with it. */
export async function keepsAnything({ container: { id }, runtimeRoot }: RuntimePlace): Promise<boolean> {
  try {
    const entries = await readdir(runtimeRoot, { withFileTypes: true })
    return entries.some((entry) => entry.name === id || (!entry.isDirectory() && entry.name.includes(id)))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw ioError('list', runtimeRoot, error)
  }
}

/** Waits for the end of a monitor whose container is gone, and ends it when that takes too long. ERR_TIMEOUT. */
export async function seeMonitorEnd(
  place: Place,
  monitor: ProcessIdentity | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (monitor === undefined || (await processEnds(monitor, monitorEndMs, signal))) return
  await endMonitor(place, monitor, signal)
}

/** Kills a monitor; a runtime that it is waiting for dies with it. ERR_TIMEOUT. */
export async function endMonitor(place: Place, monitor: ProcessIdentity, signal: AbortSignal): Promise<void> {
  if (await killAndWait(monitor, monitorKillMs, signal)) return
  const containerId = place.container.id
  const message = `the monitor of container ${containerId} (pid ${monitor.pid}) has not died of KILL within ${monitorKillMs} ms`
  throw new OciError('ERR_TIMEOUT', message, { containerId })
}

/** Removes the files, and forgets. */
export async function forget(world: OciWorld, { container, paths }: Place): Promise<void> {
  await removeMadeFiles(paths)
  world.notebook.forget(container.id)
  world.oomBeforeKill.delete(container.id)
  world.sampling.forget(container.id)
  world.syncPipes.get(container.id)?.destroy()
  world.syncPipes.delete(container.id)
  world.ours.delete(container)
}
