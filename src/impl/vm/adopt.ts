/**
 * Takes up a container that this process does not hold: after a restart, its shim and it have gone on. What it wrote
 * meanwhile waits in the FIFOs; how it ended, if it has, the shim knows.
 */
import type { Container } from '../../container.ts'
import { isOciError, OciError } from '../../errors/index.ts'
import { untilAborted } from '../host/waiting.ts'
import { readProcessStat } from '../process-identity.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { streamControl, streamsSpec } from './container-streams.ts'
import { Task as TaskService, type StateResponse } from './messages/generated/task_pb.ts'
import { nanosOf } from './messages/instant.ts'
import type { VmNotes } from './notes.ts'
import type { Shim } from './shim/connection.ts'
import { readAddress } from './shim/address.ts'
import { reopenShimLog } from './shim/start-shim.ts'
import { resumeContainerStreams } from './streams/container-streams.ts'
import type { ContainerStreams } from './streams/streams.ts'
import { heldTask, holdTask, type Task } from './task.ts'
import { placeOf, type VmPlace, type VmWorld } from './world.ts'

/** Verbs that wait for it have 10 s and more. */
const answerMs = 4000
const statusStopped = 3

/**
 * The container as it is held, taken up if it is not yet. ERR_UNKNOWN_TO_RUNTIME when no shim has it, ERR_MONITOR_LOST
 * when its shim is dead, ERR_TIMEOUT when that does not answer.
 */
export function taskOf(world: VmWorld, container: Container, signal?: AbortSignal): Promise<Task> {
  const task = world.tasks.has(container.id) ? heldTask(world, container) : beginAdopting(world, container)
  return signal === undefined ? task : untilAborted(task, signal)
}

/** It is nobody's own: others may wait for it whose patience is another. It has limits of its own. */
function beginAdopting(world: VmWorld, container: Container): Promise<Task> {
  const adopting = adopt(world, container)
  world.tasks.set(container.id, adopting)
  adopting.catch(() => {
    if (world.tasks.get(container.id) === adopting) world.tasks.delete(container.id)
  })
  return adopting
}

async function adopt(world: VmWorld, container: Container): Promise<Task> {
  const place = await placeOf(world, container)
  const notes = await world.notebook.read(container, place.paths.notesFile)
  const socketPath = notes?.socketPath ?? (await readAddress(place.paths.addressFile))
  if (socketPath === undefined) {
    const message = `container ${container.id} has no shim`
    throw new OciError('ERR_UNKNOWN_TO_RUNTIME', message, { containerId: container.id })
  }
  // Its shim waits for somebody to tell its events to, five seconds with each.
  await world.events()
  const shim = await joinAgain(world, container, socketPath)
  try {
    const request = { id: container.id }
    const state = await shim.call(TaskService.method.state, request, { timeoutMs: answerMs })
    return await hold(world, place, { shim, state, notes })
  } catch (error) {
    world.shims.leave(socketPath, container.id)
    throw error
  }
}

async function joinAgain(world: VmWorld, { id: containerId }: Container, socketPath: string): Promise<Shim> {
  try {
    return await world.shims.join(socketPath, { containerId, timeoutMs: answerMs })
  } catch (error) {
    if (!isOciError(error) || error.code !== 'ERR_MONITOR_FAILED') throw error
    const message = `the shim of container ${containerId} is gone: ${error.message}`
    throw new OciError('ERR_MONITOR_LOST', message, { containerId, file: socketPath, cause: error })
  }
}

interface Found {
  readonly shim: Shim
  readonly state: StateResponse
  readonly notes: VmNotes | undefined
}

async function hold(world: VmWorld, place: VmPlace, { shim, state, notes }: Found): Promise<Task> {
  const { container } = place
  world.ours.add(container)
  const init = notes?.init ?? (await identityOf(state.pid))
  world.exits.expect(container.id)
  await reopenShimLog(world, place)
  // Also of one that has ended: the shim holds what it wrote last.
  const streams = await resume(world, place, shim)
  const task = holdTask(world, { container, shim, streams, init })
  if (state.status === statusStopped) {
    const { exitStatus: status, exitedAt } = state
    task.exited({
      containerId: container.id,
      execId: undefined,
      pid: init.pid,
      status,
      exitedAtNs: nanosOf(exitedAt),
    })
  }
  return task
}

/** A container whose output cannot be had any more is still to be supervised. */
async function resume(world: VmWorld, place: VmPlace, shim: Shim): Promise<ContainerStreams | undefined> {
  try {
    const control = streamControl(place.container, () => shim)
    return await resumeContainerStreams({ logger: world.logger }, streamsSpec(world, place), control)
  } catch (err) {
    world.logger.error({ containerId: place.container.id, err }, 'the output of a container is lost')
    return undefined
  }
}

async function identityOf(pid: number): Promise<ProcessIdentity> {
  return { pid, startTicks: (await readProcessStat(pid))?.startTicks ?? '0' }
}
