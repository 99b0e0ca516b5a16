/**
 * Clean-up: undoes a create or a start of which nobody knows how far it came, and succeeds when there is nothing.
 *
 * By the shim, if one answers; a create that hangs in it is ended together with it. What it leaves is then the runtime's
 * below it.
 */
import type { Container } from '../../container.ts'
import { isOciError } from '../../errors/index.ts'
import { throwIfAborted, waitUntil } from '../host/waiting.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { taskOf } from './adopt.ts'
import { deleteBelow, forget } from './forget.ts'
import { Task } from './messages/generated/task_pb.ts'
import type { Shim } from './shim/connection.ts'
import { killLostShims, shutDown } from './shim/end-shim.ts'
import { isRpcError, rpcStatus } from './ttrpc/rpc-error.ts'
import { placeOf, type VmPlace, type VmWorld } from './world.ts'

const SIGKILL = 9
/** A shim that is creating answers nothing else until it has done so. */
const answerMs = 3000
const deadMs = 5000
const statusStopped = 3

export async function cleanUp(
  world: VmWorld,
  container: Container,
  { signal }: EffectOptions,
): Promise<void> {
  await Promise.allSettled([world.creating.get(container.id)])
  throwIfAborted(signal)
  if (world.untouched.has(container.id)) return
  const place = await placeOf(world, container)
  const notes = await world.notebook.read(container, place.paths.notesFile)
  if (notes === undefined && !world.tasks.has(container.id) && !world.ours.has(container)) return
  world.unclean.add(container)
  const sharesShim = notes?.sharesShim === true
  const shim = await reachableShim(world, place, signal)
  const isDone = shim !== undefined && (await removeFromShim(world, place, shim, signal))
  if (shim !== undefined && (isDone || sharesShim)) await shutDown(world, place, shim, { sharesShim, signal })
  else await killLostShims(world, place, notes, signal)
  await deleteBelow(world, place, notes, signal)
  // Whatever was reported of a container that is undone is no exit.
  await world.exits.discard(container.id)
  await forget(world, place)
  world.unclean.delete(container)
}

/** The one that has the container, or was started for it. */
async function reachableShim(
  world: VmWorld,
  { container, paths }: VmPlace,
  signal: AbortSignal,
): Promise<Shim | undefined> {
  try {
    const { shim } = await taskOf(world, container, signal)
    return shim
  } catch (error) {
    throwIfAborted(signal)
    world.logger.debug({ containerId: container.id, err: error }, 'no shim has the container')
  }
  const socketPath = (await world.notebook.read(container, paths.notesFile))?.socketPath
  if (socketPath === undefined) return undefined
  try {
    return await world.shims.join(socketPath, { containerId: container.id, timeoutMs: answerMs, signal })
  } catch (error) {
    throwIfAborted(signal)
    world.logger.debug({ containerId: container.id, err: error }, 'the shim of a container does not answer')
    return undefined
  }
}

/** True when the shim has nothing of the container any more. */
async function removeFromShim(
  world: VmWorld,
  { container: { id } }: VmPlace,
  shim: Shim,
  signal: AbortSignal,
): Promise<boolean> {
  const options = { timeoutMs: answerMs, signal }
  try {
    await ignoringAbsence(shim.call(Task.method.kill, { id, signal: SIGKILL, all: true }, options))
    await waitForDeath(shim, id, signal)
    await ignoringAbsence(shim.call(Task.method.delete, { id }, { timeoutMs: deadMs, signal }))
    return true
  } catch (error) {
    throwIfAborted(signal)
    if (!isOciError(error)) throw error
    world.logger.warn({ containerId: id, err: error }, 'a shim cannot remove a container, it is ended')
    return false
  }
}

/** By looking: of a container that was never started no wait may ever tell. One that does not die cannot be deleted either. */
async function waitForDeath(shim: Shim, id: string, signal: AbortSignal): Promise<void> {
  const isOver = async (): Promise<boolean> => {
    try {
      const { status } = await shim.call(Task.method.state, { id }, { timeoutMs: answerMs, signal })
      return status === statusStopped
    } catch (error) {
      if (isRpcError(error, rpcStatus.notFound)) return true
      throw error
    }
  }
  await waitUntil(isOver, answerMs, signal)
}

async function ignoringAbsence(call: Promise<unknown>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (isRpcError(error, rpcStatus.notFound)) return
    if (isOciError(error) && error.code === 'ERR_NOT_RUNNING') return
    throw error
  }
}
