/**
 * What shims report by themselves: a ttrpc server that their environment names. Exits are also waited for, so what gets
 * lost here costs nothing; out of memory is told nowhere else by some.
 */
import { OciError } from '../../../errors/index.ts'
import type { Logger } from '../../../surroundings/logger.ts'
import { unpackMessage } from '../messages/any.ts'
import { Events, type Envelope } from '../messages/generated/events_pb.ts'
import { TaskExitSchema, TaskOOMSchema } from '../messages/generated/task-events_pb.ts'
import { nanosOf } from '../messages/instant.ts'
import { handles, serveTtrpc } from '../ttrpc/server.ts'

/** The end of a container's process, or of a command in it. */
export interface ProcessExit {
  readonly containerId: string
  /** Of the command; undefined for the container's own process. */
  readonly execId: string | undefined
  readonly pid: number
  readonly status: number
  readonly exitedAtNs: bigint | undefined
}

export interface ShimListener {
  exited(exit: ProcessExit): void
  outOfMemory(containerId: string): void
}

export interface ShimEvents {
  /** For TTRPC_ADDRESS; empty where nobody listens. */
  readonly address: string
  close(): Promise<void>
}

/** sizeof(sockaddr_un.sun_path) on Linux, less its last zero. */
const socketPathMaxBytes = 107

/** Never rejects: a supervisor that cannot listen goes without. */
export async function listenToShims(
  socketPath: string,
  listener: ShimListener,
  logger: Logger,
): Promise<ShimEvents> {
  const forward = handles(Events.method.forward, ({ envelope }) => {
    if (envelope !== undefined) deliver(envelope, listener)
    return {}
  })
  try {
    if (Buffer.byteLength(socketPath) > socketPathMaxBytes)
      throw new OciError('ERR_IO', `${socketPath} is too long for a socket`, { file: socketPath })
    const server = await serveTtrpc(socketPath, [forward])
    return { address: socketPath, close: () => server.close() }
  } catch (error) {
    logger.warn({ err: error }, 'events of shims are not listened to; exits are waited for all the same')
    return { address: '', close: () => Promise.resolve() }
  }
}

function deliver({ event }: Envelope, listener: ShimListener): void {
  const exit = unpackMessage(TaskExitSchema, event)
  if (exit !== undefined) {
    const { containerId, id, pid, exitStatus: status, exitedAt } = exit
    const execId = id === containerId ? undefined : id
    listener.exited({ containerId, execId, pid, status, exitedAtNs: nanosOf(exitedAt) })
  }
  const oom = unpackMessage(TaskOOMSchema, event)
  if (oom !== undefined) listener.outOfMemory(oom.containerId)
}
