/**
 * A living shim as its containers see it: one connection, whoever of them calls, and the moment of its death.
 *
 * That an address was printed proves nothing, and neither does an accepted connection: only an answer does. A connection
 * that ends is no death either; the shim is asked again until its process is gone or it has been silent for too long.
 */
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import { errnoOf, isOciError, OciError } from '../../../errors/index.ts'
import type { Logger } from '../../../surroundings/logger.ts'
import { observeProcess, readIdentity } from '../../process-identity.ts'
import type { ProcessIdentity } from '../../runtime-impl.ts'
import { Task } from '../messages/generated/task_pb.ts'
import { dialTtrpc, type CallOptions, type TtrpcClient } from '../ttrpc/client.ts'
import { shimNamespace } from './shim-command.ts'

export interface Shim {
  /** Path of its socket. */
  readonly socketPath: string
  readonly process: ProcessIdentity
  /** Resolves when the shim is dead, or silent for good; never rejects, and not when we leave. */
  readonly gone: Promise<void>
  readonly isGone: boolean
  /** See {@link TtrpcClient.call}. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options?: CallOptions,
  ): Promise<MessageShape<O>>
  /** Resolves when a call may be tried again after ERR_MONITOR_LOST, with false when the shim is gone. */
  restored(): Promise<boolean>
}

export interface ConnectOptions {
  /** Whoever it is for: the shim need not know it. */
  readonly containerId: string
  /** For an answer. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** A socket that refuses may be about to listen, but not for long. */
const refusedMaxMs = 1000
const pauseMs = 10
/** Of looks for a shim whose connection ended: most often it is about to be gone. */
const lookPauseMinMs = 1
/** How long a shim whose connection ended may live without answering before it counts as gone. */
const silentMaxMs = 5000
const againTimeoutMs = 1000

/** Connects, and sees that the shim answers. Rejects with ERR_MONITOR_FAILED, ERR_TIMEOUT, ERR_ABORTED, ERR_IO. */
export async function connectShim(
  socketPath: string,
  options: ConnectOptions,
  logger: Logger,
): Promise<ShimConnection> {
  const endMs = performance.now() + options.timeoutMs
  const client = await dial(socketPath, options)
  try {
    const leftMs = Math.max(1, endMs - performance.now())
    const process = await askWho(client, { ...options, timeoutMs: leftMs })
    return new ShimConnection(socketPath, client, process, options.containerId, logger)
  } catch (error) {
    client.close()
    throw error
  }
}

async function dial(path: string, { timeoutMs, signal }: ConnectOptions): Promise<TtrpcClient> {
  const refusedEndMs = performance.now() + Math.min(refusedMaxMs, timeoutMs / 2)
  for (;;) {
    try {
      return await dialTtrpc(path, { namespace: shimNamespace, timeoutMs, signal })
    } catch (error) {
      const cause = isOciError(error) ? errnoOf(error.cause) : undefined
      if (cause !== 'ECONNREFUSED' && cause !== 'ENOENT') throw error
      if (performance.now() >= refusedEndMs) {
        const message = `the shim does not live: nobody listens at ${path} (${cause})`
        throw new OciError('ERR_MONITOR_FAILED', message, { file: path, cause: error })
      }
      await delay(pauseMs, undefined, { ref: false })
    }
  }
}

async function askWho(
  client: TtrpcClient,
  { containerId, timeoutMs, signal }: ConnectOptions,
): Promise<ProcessIdentity> {
  const { shimPid } = await client.call(Task.method.connect, { id: containerId }, { timeoutMs, signal })
  const identity = shimPid > 1 && shimPid !== process.pid ? await readIdentity(shimPid) : undefined
  if (identity !== undefined) return identity
  throw new OciError('ERR_MONITOR_FAILED', `the shim says that it is process ${shimPid}, which does not live`)
}

export class ShimConnection implements Shim {
  readonly socketPath: string
  readonly process: ProcessIdentity
  readonly gone: Promise<void>
  readonly #logger: Logger
  readonly #containerId: string
  readonly #gone = Promise.withResolvers<void>()
  #client: TtrpcClient
  #isGone = false
  #isClosed = false
  #restoring: Promise<boolean> | undefined

  constructor(
    socketPath: string,
    client: TtrpcClient,
    process: ProcessIdentity,
    containerId: string,
    logger: Logger,
  ) {
    this.socketPath = socketPath
    this.process = process
    this.gone = this.#gone.promise
    this.#client = client
    this.#containerId = containerId
    this.#logger = logger
    this.#watch(client)
  }

  get isGone(): boolean {
    return this.#isGone
  }

  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options?: CallOptions,
  ): Promise<MessageShape<O>> {
    return this.#client.call(method, request, options)
  }

  async restored(): Promise<boolean> {
    // Who heard first that the connection ended may be here before it has been noticed.
    await turn()
    return this.#restoring ?? (!this.#isGone && !this.#isClosed)
  }

  /** Leaves it alone from now on: whether it lives is not known any more. */
  close(): void {
    this.#isClosed = true
    this.#client.close()
  }

  #watch(client: TtrpcClient): void {
    this.#restoring = undefined
    const restoreLater = async (): Promise<void> => {
      const reason = await client.closed
      if (!this.#isClosed) this.#restoring = this.#restore(reason)
    }
    void restoreLater()
  }

  async #restore(reason: OciError): Promise<boolean> {
    const endMs = performance.now() + silentMaxMs
    let lookPauseMs = lookPauseMinMs
    while (!this.#isClosed && performance.now() < endMs && (await this.#lives())) {
      const client = await this.#again()
      if (client !== undefined) {
        this.#client = client
        this.#watch(client)
        this.#logger.warn({ socket: this.socketPath, err: reason }, 'the connection to a shim was restored')
        return true
      }
      await delay(lookPauseMs, undefined, { ref: false })
      lookPauseMs = Math.min(2 * lookPauseMs, pauseMs)
    }
    if (this.#isClosed) return false
    this.#isGone = true
    this.#gone.resolve()
    return false
  }

  async #lives(): Promise<boolean> {
    try {
      return (await observeProcess(this.process)) === 'alive'
    } catch (error) {
      // What cannot be seen is not gone.
      this.#logger.debug({ err: error }, 'a shim cannot be observed')
      return true
    }
  }

  async #again(): Promise<TtrpcClient | undefined> {
    let client: TtrpcClient | undefined
    try {
      client = await dialTtrpc(this.socketPath, { namespace: shimNamespace, timeoutMs: againTimeoutMs })
      const options = { containerId: this.#containerId, timeoutMs: againTimeoutMs }
      const { pid } = await askWho(client, options)
      if (pid === this.process.pid && !this.#isClosed) return client
    } catch (error) {
      // Tried again, or given up, by the caller.
      this.#logger.debug({ socket: this.socketPath, err: error }, 'a shim does not answer')
    }
    client?.close()
    return undefined
  }
}
