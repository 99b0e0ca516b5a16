/** The streams of a container, tied to what only its shim can do about them. */
import type { Container } from '../../container.ts'
import { isOciError } from '../../errors/index.ts'
import type { StreamControl, ContainerStreamsSpec } from './streams/streams.ts'
import { Task } from './messages/generated/task_pb.ts'
import type { Shim } from './shim/connection.ts'
import type { VmPlace, VmWorld } from './world.ts'

const controlTimeoutMs = 10_000

export function streamsSpec(world: VmWorld, { container, paths }: VmPlace): ContainerStreamsSpec {
  const { id, terminal, stdin, stdinOnce, logPath } = container
  return {
    containerId: id,
    directory: paths.streamsDirectory,
    terminal,
    stdin,
    stdinOnce,
    logPath,
    logSizeMaxBytes: world.config.logSizeMaxBytes,
  }
}

/** `shim` is known only when the streams are there already: it is told of them first. */
export function streamControl({ id }: Container, shim: () => Shim | undefined): StreamControl {
  return {
    closeStdin: async () => {
      try {
        const request = { id, stdin: true }
        await shim()?.call(Task.method.closeIO, request, { timeoutMs: controlTimeoutMs })
      } catch (error) {
        if (!isOverFor(error)) throw error
      }
    },
    resize: async ({ width, height }) => {
      const request = { id, width, height }
      await shim()?.call(Task.method.resizePty, request, { timeoutMs: controlTimeoutMs })
    },
  }
}

/** A process that has ended has no stdin that could be closed. */
function isOverFor(error: unknown): boolean {
  return isOciError(error) && (error.code === 'ERR_NOT_RUNNING' || error.code === 'ERR_UNKNOWN_TO_RUNTIME')
}
