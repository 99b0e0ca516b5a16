/**
 * Clean-up: undoes a create or a start of which nobody knows how far it came, and succeeds when there is nothing.
 *
 * The worst case it is made for: the runtime hangs in `create`, or finishes it after its monitor died, which leaves a
 * created container that nobody watches. So a create under way is ended first, through its monitor, and only then is the
 * container deleted. Where the container stands, its own death comes first: then the monitor reports the exit and ends.
 */
import { lstat } from 'node:fs/promises'
import type { Container } from '../../container.ts'
import { errnoOf } from '../../errors/index.ts'
import { ioError, removeTemporaryFiles } from '../../files.ts'
import { removeCgroups, removeContainerCgroups } from '../host/container-cgroups.ts'
import { killCgroup } from '../host/kill-cgroup.ts'
import { processEnds } from '../host/process-end.ts'
import { deleteFromRuntime } from '../host/runtime-delete.ts'
import { throwIfAborted } from '../host/waiting.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { endMonitor, forget, seeMonitorEnd, seeScopeEnd } from './forget.ts'
import { findMonitor, searchMonitor } from './monitor.ts'
import { type OciWorld, type Place, placeOf } from './world.ts'

/** What a monitor takes to end that has given its create up. */
const monitorLeaveMs = 250

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
  const monitorCgroups = notes?.monitorCgroups ?? []

  const monitor = (await findMonitor(place)) ?? (await searchMonitor(place))
  // It failed before create was asked: the runtime may have a stranger of that id.
  if (notes === undefined && monitor === undefined && !world.ours.has(container)) {
    // The supervisor that asked may have been killed while it took its notes.
    await removeTemporaryFiles(place.paths.notesFile)
    return
  }
  world.unclean.add(container)
  if (!(await isCreated(place))) {
    // One that is about to end by itself is let: killed while it writes the exit, it would leave half of a file.
    if (monitor !== undefined && !(await processEnds(monitor, monitorLeaveMs, signal)))
      await endMonitor(place, monitor, signal)
    // What the runtime or a hook left running could go on creating.
    await killCgroup(await world.cgroupMounts(), monitorCgroups)
  }
  await deleteFromRuntime(world, place, { force: true, noted: notes }, signal)
  await seeMonitorEnd(place, monitor, signal)
  // Whatever the monitor reported of a container that is undone is no exit.
  await world.exits.discard(container.id)
  await killCgroup(await world.cgroupMounts(), monitorCgroups)
  await removeCgroups(monitorCgroups, signal)
  await seeScopeEnd(world, notes)
  await removeContainerCgroups(world, place, notes, signal)
  await forget(world, place)
  world.unclean.delete(container)
}

/** The runtime writes this file as the last step of its create. */
async function isCreated({ paths }: Place): Promise<boolean> {
  try {
    return (await lstat(paths.initPidFile)).size > 0
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw ioError('examine', paths.initPidFile, error)
  }
}
