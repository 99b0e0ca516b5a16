/** Delete: removes a stopped container from its shim, ends the shim, and removes everything that was made for it but its log. */
import type { Container } from '../../container.ts'
import { isOciError } from '../../errors/index.ts'
import { allEnded } from '../all-ended.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { taskOf } from './adopt.ts'
import { cleanUp } from './clean-up.ts'
import { deleteBelow, forget } from './forget.ts'
import type { VmNotes } from './notes.ts'
import { removeContainerCgroups } from '../host/container-cgroups.ts'
import { endInit } from '../host/end-init.ts'
import { removeContainersFiles } from './leftovers.ts'
import { Task } from './messages/generated/task_pb.ts'
import type { Shim } from './shim/connection.ts'
import { killLostShims, shutDown } from './shim/end-shim.ts'
import { isRpcError, rpcStatus } from './ttrpc/rpc-error.ts'
import { belowShim, placeOf, type VmPlace, type VmWorld } from './world.ts'

/** A shim waits two seconds for what still holds an output; runtimes below it take less than one. */
const deleteMs = 10_000

export async function deleteContainer(
  world: VmWorld,
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
  // Never created, or cleaned up.
  if (notes === undefined && !world.tasks.has(container.id) && !world.ours.has(container)) return
  const shim = await shimOf(world, place, notes, signal)
  if (shim === undefined) {
    await killLostShims(world, place, notes, signal)
    await deleteBelow(world, place, notes, signal)
  } else {
    if ((await belowShim(world, place)) !== undefined) {
      // One that does not know the container may say nothing of its process, and a runtime that does not leaves its cgroups.
      await endInit(world, container, notes, signal)
      await removeContainerCgroups(world, place, notes, signal)
    }
    // The container is gone from it, so its files may go at the same time; what a shim that ends leaves goes afterwards.
    await allEnded([
      shutDown(world, place, shim, { sharesShim: notes?.sharesShim === true, signal }),
      removeContainersFiles(place.paths),
    ])
  }
  await forget(world, place)
}

/**
 * Once the container is deleted in it. Undefined when the shim is gone, or has this container alone and does not answer: then
 * it has to be put in order otherwise.
 */
async function shimOf(
  world: VmWorld,
  { container }: VmPlace,
  notes: VmNotes | undefined,
  signal: AbortSignal,
): Promise<Shim | undefined> {
  try {
    const task = await taskOf(world, container, signal)
    try {
      await task.shim.call(Task.method.delete, { id: container.id }, { timeoutMs: deleteMs, signal })
    } catch (error) {
      if (!isRpcError(error, rpcStatus.notFound)) throw error
    }
    return task.shim
  } catch (error) {
    if (!isOciError(error)) throw error
    if (error.code === 'ERR_MONITOR_LOST' || error.code === 'ERR_UNKNOWN_TO_RUNTIME') return undefined
    if (error.code !== 'ERR_TIMEOUT' || notes?.sharesShim === true) throw error
    world.logger.warn({ containerId: container.id, err: error }, 'a shim does not answer, it is killed')
    return undefined
  }
}
