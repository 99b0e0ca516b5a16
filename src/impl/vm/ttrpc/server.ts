/**
 * A small server of ttrpc on a Unix socket: what shims report their events to.
 *
 * Deliberately not here: streams, and any use of the time that a request names. What a handler throws is an answer.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type {
  DescMessage,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'
import { chmod, unlink } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { errnoOf, messageOf } from '../../../errors/index.ts'
import { ioError } from '../../../files.ts'
import { RequestSchema, ResponseSchema, type Request } from '../messages/generated/ttrpc_pb.ts'
import {
  encodeFrame,
  frameDataMaxBytes,
  FrameReader,
  kindRequest,
  kindResponse,
  type Frame,
} from './frames.ts'
import { RpcError, rpcStatus } from './rpc-error.ts'

/** What answers one method: {@link handles} makes it. */
export interface Handler {
  readonly name: string
  answer(payload: Uint8Array): Promise<Uint8Array>
}

export interface TtrpcServer {
  /** Ends all connections and removes the socket. */
  close(): Promise<void>
}

/** Handlers under way per connection; what is beyond is refused. */
const inFlightMax = 1024
const connectionsMax = 4096
/** What a frame takes, less its envelope. */
const answerMaxBytes = frameDataMaxBytes - 64
/** Of an error's words. */
const wordsMaxLength = 65_536

export function handles<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  handler: (request: MessageShape<I>) => Promise<MessageInitShape<O>> | MessageInitShape<O>,
): Handler {
  return {
    name: nameOf(method.parent, method.name),
    answer: async (payload) => {
      let request: MessageShape<I>
      try {
        request = fromBinary(method.input, payload)
      } catch (error) {
        throw new RpcError(method.name, rpcStatus.internal, `no ${method.input.typeName}`, { cause: error })
      }
      return toBinary(method.output, create(method.output, await handler(request)))
    },
  }
}

/** Listens at `path` (mode 0600), in place of what was left there. Rejects with ERR_IO. */
export async function serveTtrpc(path: string, handlers: readonly Handler[]): Promise<TtrpcServer> {
  const byName = new Map(handlers.map((handler) => [handler.name, handler]))
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    serve(socket, byName)
  })
  server.maxConnections = connectionsMax
  await removeSocket(path)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(path, () => resolve())
    })
    await chmod(path, 0o600)
  } catch (error) {
    server.close()
    throw ioError('listen at', path, error)
  }
  // Errors of single connections: nobody waits for them here.
  server.on('error', () => undefined).unref()
  return {
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
      await removeSocket(path)
    },
  }
}

function serve(socket: Socket, handlers: ReadonlyMap<string, Handler>): void {
  const reader = new FrameReader()
  let inFlight = 0
  const answer = async (streamId: number, data: Uint8Array): Promise<void> => {
    const response = await answerOf(data, handlers)
    inFlight -= 1
    respond(socket, streamId, response)
  }
  socket.unref()
  // It closes by itself.
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    let frames: readonly Frame[]
    try {
      frames = reader.push(chunk)
    } catch {
      // What follows a frame that is too long cannot be told apart.
      socket.destroy()
      return
    }
    for (const { kind, streamId, data } of frames) {
      if (kind !== kindRequest) continue
      if (inFlight >= inFlightMax) {
        respond(socket, streamId, {
          status: { code: rpcStatus.resourceExhausted, message: 'too many calls' },
        })
        continue
      }
      inFlight += 1
      void answer(streamId, data)
    }
  })
}

/** Never rejects. */
async function answerOf(
  data: Uint8Array,
  handlers: ReadonlyMap<string, Handler>,
): Promise<MessageInitShape<typeof ResponseSchema>> {
  try {
    const request = decodeRequest(data)
    const handler = handlers.get(`${request.service}/${request.method}`)
    if (handler === undefined) {
      throw new RpcError(
        request.method,
        rpcStatus.unimplemented,
        `${request.service} has no ${request.method}`,
      )
    }
    const payload = await handler.answer(request.payload)
    if (payload.length > answerMaxBytes)
      throw new RpcError(request.method, rpcStatus.resourceExhausted, 'the answer is too long')
    return { payload }
  } catch (error) {
    const code = error instanceof RpcError ? error.status : rpcStatus.unknown
    return { status: { code, message: wordsOf(error).slice(0, wordsMaxLength) } }
  }
}

function wordsOf(error: unknown): string {
  if (error instanceof RpcError) return error.words
  return messageOf(error)
}

function decodeRequest(data: Uint8Array): Request {
  try {
    return fromBinary(RequestSchema, data)
  } catch (error) {
    throw new RpcError('request', rpcStatus.invalidArgument, 'no ttrpc request', { cause: error })
  }
}

function respond(socket: Socket, streamId: number, response: MessageInitShape<typeof ResponseSchema>): void {
  if (socket.destroyed) return
  const data = toBinary(ResponseSchema, create(ResponseSchema, response))
  socket.write(encodeFrame({ streamId, kind: kindResponse, data }))
}

function nameOf(service: DescService, method: string): string {
  return `${service.typeName}/${method}`
}

async function removeSocket(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw ioError('remove', path, error)
  }
}
