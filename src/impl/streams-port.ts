/**
 * The part of the effect port that is about a container's streams: its log file and connections to its ports.
 *
 * Deliberately not here: attach and exec, which are about its processes, and reading a log (container-log/).
 */
import type { Duplex } from 'node:stream'
import type { Container } from '../container.ts'
import { OciError, type ErrorCode, type OciErrorDetails } from '../errors/index.ts'
import type { EffectOptions, ProcessIdentity } from './runtime-impl.ts'

export interface PortForwardRequest {
  /** TCP, 1 to 65535, on the loopback interface of the container's network namespace. */
  readonly port: number
  /** The client's end. It is read as fast as the container takes it, and written as fast as it takes itself. */
  readonly stream: Duplex
}

export interface StreamEffects {
  /**
   * Has a new file opened at `container.logPath`, from where the embedder has renamed the old one. Resolves when it is
   * so. ERR_INVALID_ARGUMENT when reopening would destroy a log, ERR_MONITOR_LOST, ERR_TIMEOUT.
   */
  reopenLog(container: Container, options: EffectOptions): Promise<void>
  /**
   * Connects the stream with a port inside the container. Either side may end its direction alone. Resolves when both
   * have ended or the client has left; aborting ends it with ERR_ABORTED. Until it is connected nothing is read from
   * the stream, and a failure leaves it as it is; afterwards the stream is ended or destroyed.
   */
  portForward(
    container: Container,
    init: ProcessIdentity,
    request: PortForwardRequest,
    options: EffectOptions,
  ): Promise<void>
}

/** The code for a port at which nobody listens. */
export const portRefusedCode: ErrorCode = 'ERR_PORT_REFUSED'

const portMax = 65_535

/** Throws ERR_INVALID_ARGUMENT for what is no TCP port. */
export function assertPort(port: number, details: Pick<OciErrorDetails, 'containerId' | 'operation'>): void {
  if (Number.isInteger(port) && port >= 1 && port <= portMax) return
  const message = `port ${String(port)} must be a whole number from 1 to ${portMax}`
  throw new OciError('ERR_INVALID_ARGUMENT', message, { ...details, field: 'port' })
}
