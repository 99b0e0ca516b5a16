/**
 * Clean-up: undoes a create or a start of which nobody knows how far it came, and succeeds when there is nothing.
 *
 * The worst case it is made for: the runtime hangs in `create`, or finishes it after its monitor died, which leaves a
 * created container that nobody watches. So a create in progress is ended first (end-create.ts), and only then is the
 * container deleted. Where the container stands, its own death comes first: then the monitor reports the exit and ends.
 *
 * Afterwards it looks again, until it finds nothing: the end of a launcher is "go" for the monitors that it has just
 * started, and such a one may have come to its create while the runtime was deleting.
 */
import type { Container } from '../../container.ts'
import { removeTemporaryFiles } from '../../files.ts'
import { removeCgroups, removeContainerCgroups, removeMadeParents } from '../host/container-cgroups.ts'
import { killCgroup } from '../host/kill-cgroup.ts'
import { deleteFromRuntime } from '../host/runtime-delete.ts'
import { throwIfAborted } from '../host/waiting.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { creationOf, endCreate } from './end-create.ts'
import { forget, seeMonitorEnd, seeScopeEnd } from './forget.ts'
import { findMonitor, monitorOf, searchProcesses } from './monitor.ts'
import type { Notes } from './notes.ts'
import { type OciWorld, type Place, placeOf } from './world.ts'

export async function cleanUp(
  world: OciWorld,
  container: Container,
  { signal }: EffectOptions,
): Promise<void> {
  await Promise.allSettled([world.creating.get(container.id)])
  throwIfAborted(signal)
  if (world.untouched.has(container.id)) return
  const place = await placeOf(world, container)
  const notes = await world.notebook.read(container, place.paths.notesFile)

  // It failed before create was asked: the runtime may have a stranger of that id.
  if (notes === undefined && !world.ours.has(container) && !(await isAtWork(place))) {
    // The supervisor that asked may have been killed while it took its notes.
    await removeTemporaryFiles(place.paths.notesFile)
    return
  }
  world.unclean.add(container)
  await undo(world, place, notes, signal)
  // Whatever the monitor reported of a container that is undone is no exit.
  await world.exits.discard(container.id)
  await removeContainerCgroups(world, place, notes, signal)
  await removeCgroups(notes?.monitorCgroups ?? [], signal)
  await seeScopeEnd(world, notes)
  await removeMadeParents(notes?.madeParents ?? [], world.sharedCgroups)
  await forget(world, place)
  world.unclean.delete(container)
}

/** Whether a monitor or a runtime is, whose arguments name this container and its bundle. */
async function isAtWork(place: Place): Promise<boolean> {
  if ((await findMonitor(place)) !== undefined) return true
  const { monitors, runtimes } = await searchProcesses(place)
  return monitors.length + runtimes.length > 0
}

/** Until neither a process nor a new creation is found. */
async function undo(
  world: OciWorld,
  place: Place,
  notes: Notes | undefined,
  signal: AbortSignal,
): Promise<void> {
  const mounts = await world.cgroupMounts()
  const monitorCgroups = notes?.monitorCgroups ?? []
  let undone: string | undefined
  for (let round = 0; ; round += 1) {
    await endCreate(place, { notes, undone, signal })
    const creation = await creationOf(place, notes)
    if (round > 0 && creation === undone) return
    const monitor = await monitorOf(place)
    // What the runtime or a hook left running could go on creating.
    if (creation === undefined) await killCgroup(mounts, monitorCgroups)
    await deleteFromRuntime(world, place, { force: true, noted: notes }, signal)
    await seeMonitorEnd(place, monitor, signal)
    // The exit of one that had run is of use to who has been told of its start.
    if (creation !== undefined) await Promise.allSettled([world.exits.scan()])
    // A runtime that was killed within its create does not know of the init that it has made.
    await killCgroup(mounts, [...(notes?.madeCgroups ?? []), ...monitorCgroups])
    undone = creation
  }
}
