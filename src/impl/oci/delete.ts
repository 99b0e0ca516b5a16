/** Delete: removes a stopped container from the runtime, and everything that was made for it but its log. */
import type { Container } from '../../container.ts'
import { errnoOf, isOciError } from '../../errors/index.ts'
import { observeProcess } from '../process-identity.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { cleanUp } from './clean-up.ts'
import { removeCgroups, removeContainerCgroups, removeMadeParents } from '../host/container-cgroups.ts'
import { deleteFromRuntime } from '../host/runtime-delete.ts'
import { forget, seeMonitorEnd, seeScopeEnd } from './forget.ts'
import { usualMonitorCgroups } from './monitor-cgroup.ts'
import { findMonitor, monitorOf } from './monitor.ts'
import type { Notes } from './notes.ts'
import { placeOf, type OciWorld, type Place } from './world.ts'

export async function deleteContainer(
  world: OciWorld,
  container: Container,
  options: EffectOptions,
): Promise<void> {
  // Refused at create: whatever bears this id is somebody else's.
  if (world.untouched.delete(container.id)) return
  if (world.unclean.has(container)) {
    await cleanUp(world, container, options)
    return
  }
  const { signal } = options
  const place = await placeOf(world, container)
  const notes = await world.notebook.read(container, place.paths.notesFile)
  const isOurs = notes !== undefined || world.ours.has(container)
  const monitor = await (isOurs ? monitorOf(place) : findMonitor(place))
  // Never created, or cleaned up.
  if (!isOurs && monitor === undefined) return
  await deleteStopped(world, place, notes, signal)
  await seeMonitorEnd(place, monitor, signal)
  // A runtime that has forgotten the container leaves them.
  await removeContainerCgroups(world, place, notes, signal)
  try {
    const known = notes?.monitorCgroups ?? usualMonitorCgroups(await world.cgroupMounts(), container.id)
    await removeCgroups(known, signal)
    await seeScopeEnd(world, notes)
  } catch (error) {
    // A hook may have left a process there that is meant to stay. What the system refuses is tried again.
    if (!isOciError(error) || error.code === 'ERR_ABORTED' || errnoOf(error.cause) !== undefined) throw error
    world.logger.warn({ containerId: container.id, err: error }, 'the cgroup of a monitor stays')
  }
  await removeMadeParents(notes?.madeParents ?? [], world.sharedCgroups)
  await forget(world, place)
}

/**
 * Without force: the caller says that the container has stopped, and if it has not, that is an error. But crun takes an
 * init that nobody reaps (its monitor was killed, pid 1 does not care) for a running one.
 */
async function deleteStopped(
  world: OciWorld,
  place: Place,
  notes: Notes | undefined,
  signal: AbortSignal,
): Promise<void> {
  try {
    await deleteFromRuntime(world, place, { force: false, noted: notes }, signal)
  } catch (error) {
    if (!isOciError(error) || error.code !== 'ERR_WRONG_STATUS') throw error
    if (notes?.init === undefined || (await observeProcess(notes.init)) === 'alive') throw error
    await deleteFromRuntime(world, place, { force: true, noted: notes }, signal)
  }
}
