/** The last steps of clean-up and delete, with a shim or without: the runtime below, the files, what this process remembers. */
import { removeContainerCgroups } from '../host/container-cgroups.ts'
import { endInit } from '../host/end-init.ts'
import { deleteFromRuntime, keepsAnything } from '../host/runtime-delete.ts'
import { killAndWait } from '../host/process-end.ts'
import { OciError } from '../../errors/index.ts'
import { removeMadeFiles } from './leftovers.ts'
import type { VmNotes } from './notes.ts'
import { closeShimLog } from './shim/start-shim.ts'
import { belowShim, type VmPlace, type VmWorld } from './world.ts'

const machineKillMs = 5000

/**
 * What a shim that died, or did not finish, left of the container: the OCI runtime below deletes it. Where there is none,
 * the process that is left is a machine without anybody who could reach it.
 */
export async function deleteBelow(
  world: VmWorld,
  place: VmPlace,
  notes: VmNotes | undefined,
  signal: AbortSignal,
): Promise<void> {
  const below = await belowShim(world, place)
  if (below !== undefined) {
    if (await keepsAnything(below))
      await deleteFromRuntime(world, below, { force: true, noted: notes }, signal)
    else await endInit(world, place.container, notes, signal)
    // One that was killed within its create forgets the container and leaves them.
    await removeContainerCgroups(world, place, notes, signal)
    return
  }
  const isShared =
    notes?.socketPath !== undefined && world.shims.othersAt(notes.socketPath, place.container.id) > 0
  if (notes?.init === undefined || isShared || (await killAndWait(notes.init, machineKillMs, signal))) return
  const { id: containerId } = place.container
  const message = `the machine of container ${containerId} (pid ${notes.init.pid}) has not died of KILL`
  throw new OciError('ERR_TIMEOUT', message, { containerId })
}

/** Removes the files, and forgets. */
export async function forget(world: VmWorld, { container, paths }: VmPlace): Promise<void> {
  const { id } = container
  const task = await world.tasks.get(id)?.catch(() => undefined)
  task?.leave()
  await task?.streams?.close()
  world.tasks.delete(id)
  closeShimLog(world, id)
  await removeMadeFiles(paths)
  world.notebook.forget(id)
  world.oomBeforeKill.delete(id)
  world.outOfMemoryMs.delete(id)
  world.sampling.forget(id)
  world.ours.delete(container)
}
