/**
 * A container as its shim has it, held by this process: its streams, and the wait for its end.
 *
 * Deliberately not here: its state. What is held here can be lost and taken up again (adopt.ts).
 */
import type { Container } from '../../container.ts'
import { isOciError, OciError } from '../../errors/index.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { nanosOf } from './messages/instant.ts'
import { Task as TaskService } from './messages/generated/task_pb.ts'
import { endLostMachine } from './orphan.ts'
import type { Shim } from './shim/connection.ts'
import type { ProcessExit } from './shim/events.ts'
import type { ContainerStreams } from './streams/streams.ts'
import type { VmWorld } from './world.ts'

export interface Task {
  readonly container: Container
  readonly shim: Shim
  /** Undefined where they cannot be had any more. */
  readonly streams: ContainerStreams | undefined
  /** The container's own process, or the hypervisor of its machine. */
  readonly init: ProcessIdentity
  /** When its exit was known, in milliseconds since 1970. */
  readonly exitedMs: number | undefined
  /** The shim told of its end by itself. */
  exited(exit: ProcessExit): void
  /** Nobody minds its end any more. */
  leave(): void
}

/** Who left children behind that hold an output open does not hold up its own exit for longer than this. */
const drainMaxMs = 2000
const nanosPerMs = 1_000_000n

interface End {
  readonly status: number
  readonly exitedAtNs: bigint | undefined
}

/** Holds a container from now on: its exit will be reported, once, by whoever tells of it first. */
export function holdTask(world: VmWorld, held: Pick<Task, 'container' | 'shim' | 'streams' | 'init'>): Task {
  const { container, shim, streams, init } = held
  const left = new AbortController()
  const told = Promise.withResolvers<End>()
  let exitedMs: number | undefined

  const settle = async (): Promise<void> => {
    const { status, exitedAtNs = BigInt(Date.now()) * nanosPerMs } = await told.promise
    if (left.signal.aborted) return
    exitedMs = Number(exitedAtNs / nanosPerMs)
    if ((await streams?.drain(drainMaxMs)) === false)
      world.logger.debug({ containerId: container.id }, 'an output of a container did not end with it')
    if (!left.signal.aborted) await world.exits.report(container.id, status, exitedAtNs)
  }
  const lose = async (): Promise<void> => {
    await shim.gone
    if (left.signal.aborted) return
    await streams?.lose()
    if (exitedMs === undefined) await endLostMachine(world, container, init, left.signal)
  }
  const ask = async (): Promise<void> => {
    const end = await waitForEnd(world, held, left.signal)
    if (end !== undefined) told.resolve(end)
  }
  void settle()
  void lose()
  void ask()
  return {
    container,
    shim,
    streams,
    init,
    get exitedMs() {
      return exitedMs
    },
    exited: ({ pid, status, exitedAtNs }) => {
      // A late word of an earlier container with this id is none of ours.
      if (pid === init.pid) told.resolve({ status, exitedAtNs })
    },
    leave: () => {
      left.abort()
      world.shims.leave(shim.socketPath, container.id)
    },
  }
}

/** Undefined when nobody will ever tell. Never rejects. */
async function waitForEnd(
  world: VmWorld,
  { container, shim }: Pick<Task, 'container' | 'shim'>,
  signal: AbortSignal,
): Promise<End | undefined> {
  for (;;) {
    try {
      const answer = await shim.call(TaskService.method.wait, { id: container.id }, { signal })
      return { status: answer.exitStatus, exitedAtNs: nanosOf(answer.exitedAt) }
    } catch (error) {
      if (signal.aborted) return undefined
      const isLost = isOciError(error) && error.code === 'ERR_MONITOR_LOST'
      if (isLost && (await shim.restored())) continue
      if (!isLost) world.logger.warn({ containerId: container.id, err: error }, 'a shim refuses to wait')
      return undefined
    }
  }
}

/** The container as it is held. ERR_MONITOR_LOST when its shim is gone, ERR_UNKNOWN_TO_RUNTIME when nobody holds it. */
export async function heldTask(world: VmWorld, { id: containerId }: Container): Promise<Task> {
  const task = await world.tasks.get(containerId)
  if (task === undefined)
    throw new OciError('ERR_UNKNOWN_TO_RUNTIME', `container ${containerId} is in no shim`, { containerId })
  if (!task.shim.isGone) return task
  throw new OciError('ERR_MONITOR_LOST', `the shim of container ${containerId} is gone`, { containerId })
}
