/** The last steps of clean-up and delete: the monitor's end, its cgroup, the files, and what this process remembers. */
import { OciError } from '../../errors/index.ts'
import { killAndWait, processEnds } from '../host/process-end.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { removeMadeFiles } from './leftovers.ts'
import type { Notes } from './notes.ts'
import type { OciWorld, Place } from './world.ts'

/**
 * A monitor ends right after it has reported the exit, unless an attach client that does not read holds it up. Killed before
 * that, it takes the exit with it: so the limit is one that a busy host keeps.
 */
const monitorEndMs = 10_000
const monitorKillMs = 10_000

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

/**
 * The scope of a monitor goes by itself once it is empty. Waited for, so that the id can be used again at once, but no
 * reason to fail: nothing of the container is in it.
 */
export async function seeScopeEnd(
  world: Pick<OciWorld, 'scopes' | 'logger'>,
  notes: Pick<Notes, 'monitorScope'> | undefined,
): Promise<void> {
  const scope = notes?.monitorScope
  if (scope === undefined) return
  try {
    await world.scopes.seeEnd(scope)
  } catch (error) {
    world.logger.debug({ scope, err: error }, 'systemd has not said that the scope of a monitor has ended')
  }
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
