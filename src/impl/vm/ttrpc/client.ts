/**
 * A client of ttrpc: many calls at once over one Unix socket.
 *
 * The protocol has no cancel, and servers bound little by the time that a request names. So each call has a timer of its
 * own here, and an answer that comes later is dropped. When the connection ends, every pending call ends with it.
 *
 * Deliberately not here: dialling again, and what a lost connection means for containers.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMethodUnary, MessageInitShape, MessageShape, DescMessage } from '@bufbuild/protobuf'
import { connect, type Socket } from 'node:net'
import { isOciError, OciError, toOciError } from '../../../errors/index.ts'
import { RequestSchema, ResponseSchema } from '../messages/generated/ttrpc_pb.ts'
import { encodeFrame, FrameReader, kindRequest, kindResponse, type Frame } from './frames.ts'
import { RpcError, rpcStatus } from './rpc-error.ts'

export interface CallOptions {
  /** Default: as long as the connection lasts. */
  readonly timeoutMs?: number | undefined
  /** Tell the server of the time-out too; it gives up what it can. Default false. */
  readonly tellTimeout?: boolean | undefined
  /** Aborting ends the wait: the server goes on, and nobody hears how it ended. */
  readonly signal?: AbortSignal | undefined
}

export interface TtrpcClient {
  /**
   * Rejects with an {@link RpcError} when the answer is a failure, ERR_TIMEOUT, ERR_ABORTED, ERR_BUSY when too many calls
   * are pending, ERR_RUNTIME_FAILED for an answer that is none, ERR_MONITOR_LOST when the connection ends first.
   */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options?: CallOptions,
  ): Promise<MessageShape<O>>
  /** Resolves with the reason when the connection has ended, by whichever side; never rejects. */
  readonly closed: Promise<OciError>
  /** Ends the connection: pending calls get ERR_CLOSED. */
  close(): void
}

export interface DialOptions {
  /** Sent with every request. */
  readonly namespace: string
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** More calls than any use has: a caller in a loop is refused. */
const pendingMax = 4096
/** Ids are odd and never used twice. */
const streamIdMax = 0x7fff_ffff
const nanosPerMs = 1_000_000

/** Connects to a socket path. Rejects with ERR_IO (its cause has the errno), ERR_TIMEOUT, ERR_ABORTED. */
export async function dialTtrpc(path: string, options: DialOptions): Promise<TtrpcClient> {
  const socket = connect({ path })
  const connected = Promise.withResolvers<void>()
  const timer = setTimeout(() => {
    connected.reject(
      new OciError('ERR_TIMEOUT', `${path} did not accept within ${Math.round(options.timeoutMs)} ms`),
    )
  }, options.timeoutMs)
  const onAbort = (): void => connected.reject(abortedError(options.signal))
  const onError = (error: Error): void => {
    connected.reject(
      new OciError('ERR_IO', `${path} does not accept: ${error.message}`, { file: path, cause: error }),
    )
  }
  socket.once('connect', connected.resolve).once('error', onError)
  options.signal?.addEventListener('abort', onAbort, { once: true })
  if (options.signal?.aborted === true) onAbort()
  try {
    await connected.promise
    return new SocketClient(socket, path, options.namespace)
  } catch (error) {
    socket.on('error', () => undefined).destroy()
    throw error
  } finally {
    clearTimeout(timer)
    socket.off('error', onError)
    options.signal?.removeEventListener('abort', onAbort)
  }
}

interface Pending {
  readonly method: string
  settle(answer: Frame | OciError): void
}

class SocketClient implements TtrpcClient {
  readonly closed: Promise<OciError>
  readonly #socket: Socket
  readonly #path: string
  readonly #namespace: string
  readonly #reader = new FrameReader()
  readonly #pending = new Map<number, Pending>()
  #lastStreamId = -1
  #end: OciError | undefined

  constructor(socket: Socket, path: string, namespace: string) {
    this.#socket = socket
    this.#path = path
    this.#namespace = namespace
    this.closed = new Promise((resolve) => {
      let cause: Error | undefined
      socket
        .on('data', (chunk: Buffer) => this.#read(chunk))
        .on('error', (error) => (cause = error))
        .once('close', () => {
          this.#end ??= this.#lost('the connection ended', cause)
          for (const [id, call] of this.#pending) {
            this.#pending.delete(id)
            call.settle(this.#end)
          }
          resolve(this.#end)
        })
    })
    // A shim that is waited for does not keep the embedder's process alive; its callers do.
    socket.unref()
  }

  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    { timeoutMs, tellTimeout = false, signal }: CallOptions = {},
  ): Promise<MessageShape<O>> {
    if (this.#end !== undefined) throw this.#end
    if (signal?.aborted === true) throw abortedError(signal)
    const streamId = this.#nextStreamId(method.name)
    const payload = toBinary(method.input, create(method.input, request))
    const envelope = create(RequestSchema, {
      service: method.parent.typeName,
      method: method.name,
      payload,
      timeoutNano: tellTimeout && timeoutMs !== undefined ? nanosOf(timeoutMs) : 0n,
      metadata: [{ key: 'containerd-namespace-ttrpc', value: this.#namespace }],
    })
    const frame = encodeFrame({ streamId, kind: kindRequest, data: toBinary(RequestSchema, envelope) })
    const answer = await this.#exchange(streamId, method.name, frame, { timeoutMs, signal })
    return decodeAnswer(method, answer)
  }

  close(): void {
    this.#end ??= new OciError('ERR_CLOSED', `the connection to ${this.#path} was closed`)
    this.#socket.destroy()
  }

  #nextStreamId(method: string): number {
    if (this.#pending.size >= pendingMax) {
      throw new OciError('ERR_BUSY', `${method}: ${pendingMax} calls of ${this.#path} are pending already`)
    }
    this.#lastStreamId += 2
    if (this.#lastStreamId > streamIdMax) {
      this.#socket.destroy()
      throw this.#lost('its connection has used up its stream ids')
    }
    return this.#lastStreamId
  }

  #exchange(
    streamId: number,
    method: string,
    frame: Buffer,
    { timeoutMs, signal }: CallOptions,
  ): Promise<Frame> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      const settle = (answer: Frame | OciError): void => {
        this.#pending.delete(streamId)
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        if (isOciError(answer)) reject(answer)
        else resolve(answer)
      }
      const onAbort = (): void => settle(abortedError(signal))
      // After a stall of the event loop the timers run before the answers that came in meanwhile.
      const expire = (): void => void setImmediate(() => this.#pending.get(streamId)?.settle(late()))
      const late = (): OciError =>
        new OciError('ERR_TIMEOUT', `shim ${method}: no answer within ${Math.round(timeoutMs ?? 0)} ms`)
      if (timeoutMs !== undefined && Number.isFinite(timeoutMs)) timer = setTimeout(expire, timeoutMs)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#pending.set(streamId, { method, settle })
      this.#socket.write(frame)
    })
  }

  #read(chunk: Buffer): void {
    let frames: readonly Frame[]
    try {
      frames = this.#reader.push(chunk)
    } catch (error) {
      this.#end ??= this.#lost(toOciError(error, 'ERR_INTERNAL').message, error)
      this.#socket.destroy()
      return
    }
    // An answer that nobody waits for any more, and kinds of frames that we never asked for, are dropped.
    for (const frame of frames)
      if (frame.kind === kindResponse) this.#pending.get(frame.streamId)?.settle(frame)
  }

  #lost(why: string, cause?: unknown): OciError {
    return new OciError('ERR_MONITOR_LOST', `the shim at ${this.#path} is gone: ${why}`, { cause })
  }
}

function decodeAnswer<O extends DescMessage>(method: DescMethodUnary<DescMessage, O>, { data }: Frame) {
  try {
    const { status, payload } = fromBinary(ResponseSchema, data)
    if (status !== undefined && status.code !== rpcStatus.ok) {
      throw new RpcError(method.name, status.code, status.message)
    }
    return fromBinary(method.output, payload)
  } catch (error) {
    if (isOciError(error)) throw error
    const message = `shim ${method.name}: the answer is no ${method.output.typeName}`
    throw new OciError('ERR_RUNTIME_FAILED', message, { cause: error })
  }
}

function nanosOf(timeoutMs: number): bigint {
  return BigInt(Math.max(1, Math.round(timeoutMs * nanosPerMs)))
}

function abortedError(signal: AbortSignal | undefined): OciError {
  return new OciError('ERR_ABORTED', 'nobody waits for this any more', { cause: signal?.reason })
}
