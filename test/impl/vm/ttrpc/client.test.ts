import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { isOciError } from '../../../../src/errors/index.ts'
import { Task } from '../../../../src/impl/vm/messages/generated/task_pb.ts'
import { RequestSchema, ResponseSchema } from '../../../../src/impl/vm/messages/generated/ttrpc_pb.ts'
import { dialTtrpc, type TtrpcClient } from '../../../../src/impl/vm/ttrpc/client.ts'
import { encodeFrame, FrameReader, kindRequest } from '../../../../src/impl/vm/ttrpc/frames.ts'
import { handles, serveTtrpc, type Handler, type TtrpcServer } from '../../../../src/impl/vm/ttrpc/server.ts'
import { RpcError } from '../../../../src/impl/vm/ttrpc/rpc-error.ts'
import { makeTempRoot } from '../../../support/temp-root.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function dial(path: string): Promise<TtrpcClient> {
  const client = await dialTtrpc(path, { namespace: 'default', timeoutMs: 10_000 })
  closers.push(() => client.close())
  return client
}

async function serve(...handlers: Handler[]): Promise<{ path: string; server: TtrpcServer }> {
  const path = `${makeTempRoot()}/s`
  const server = await serveTtrpc(path, handlers)
  closers.push(() => server.close())
  return { path, server }
}

/** A server that answers each connection as it likes. */
async function serveRaw(onConnection: (socket: Socket) => void): Promise<string> {
  const path = `${makeTempRoot()}/s`
  const sockets: Socket[] = []
  const server: Server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined))
    onConnection(socket)
  })
  server.listen(path)
  await once(server, 'listening')
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return path
}

async function failureOf(attempt: Promise<unknown>): Promise<{ code: string; message: string }> {
  const reason: unknown = await attempt.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!isOciError(reason)) throw new Error(`no OciError: ${String(reason)}`)
  return reason
}

const stateOf = (status: number): Handler => handles(Task.method.state, ({ id }) => ({ id, status }))

describe('a ttrpc client', () => {
  it('gets the answer of its call', async () => {
    const { path } = await serve(stateOf(2))
    const client = await dial(path)
    expect(await client.call(Task.method.state, { id: 'c1' })).toMatchObject({ id: 'c1', status: 2 })
  })

  it('has many calls pending, and each gets its own answer in whatever order', async () => {
    const release = Promise.withResolvers<void>()
    const { path } = await serve(
      stateOf(1),
      handles(Task.method.wait, async () => {
        await release.promise
        return { exitStatus: 9 }
      }),
    )
    const client = await dial(path)
    const wait = client.call(Task.method.wait, { id: 'slow' })
    const ids = Array.from({ length: 200 }, (_, index) => `c${index}`)
    const states = await Promise.all(ids.map((id) => client.call(Task.method.state, { id })))
    expect(states.map(({ id }) => id)).toEqual(ids)
    release.resolve()
    expect(await wait).toMatchObject({ exitStatus: 9 })
  })

  it('turns a status into an error with the code it means, and keeps number and words', async () => {
    const { path } = await serve(
      handles(Task.method.kill, () => {
        throw new RpcError('Kill', 5, 'process already finished')
      }),
      handles(Task.method.state, () => {
        throw new RpcError('State', 5, 'no such thing here')
      }),
      handles(Task.method.create, () => {
        throw new RpcError('Create', 2, 'exec: "/x": stat /x: no such file or directory: unknown')
      }),
    )
    const client = await dial(path)
    const codes = await Promise.all([
      failureOf(client.call(Task.method.kill, { id: 'a' })),
      failureOf(client.call(Task.method.state, { id: 'a' })),
      failureOf(client.call(Task.method.create, { id: 'a' })),
      failureOf(client.call(Task.method.stats, { id: 'a' })),
    ])
    expect(codes.map(({ code }) => code)).toEqual([
      'ERR_NOT_RUNNING',
      'ERR_UNKNOWN_TO_RUNTIME',
      'ERR_COMMAND_NOT_FOUND',
      'ERR_UNSUPPORTED',
    ])
    expect(codes[1]).toMatchObject({ status: 5, method: 'State' })
  })

  it('gives up a call when its time is over, drops the late answer, and goes on', async () => {
    const release = Promise.withResolvers<void>()
    const answered = Promise.withResolvers<void>()
    const { path } = await serve(
      stateOf(2),
      handles(Task.method.stats, async () => {
        await release.promise
        setImmediate(answered.resolve)
        return {}
      }),
    )
    const client = await dial(path)
    const error = await failureOf(client.call(Task.method.stats, { id: 'a' }, { timeoutMs: 20 }))
    expect(error.code).toBe('ERR_TIMEOUT')
    expect(error.message).toContain('Stats')
    release.resolve()
    await answered.promise
    expect(await client.call(Task.method.state, { id: 'b' })).toMatchObject({ id: 'b' })
  })

  it('stops waiting when it is aborted', async () => {
    const { path } = await serve(handles(Task.method.wait, () => new Promise<never>(() => undefined)))
    const client = await dial(path)
    const abort = new AbortController()
    const wait = failureOf(client.call(Task.method.wait, { id: 'a' }, { signal: abort.signal }))
    abort.abort()
    expect(await wait).toMatchObject({ code: 'ERR_ABORTED' })
  })

  it('ends every pending call when the connection is lost, and says so to later ones', async () => {
    const { path, server } = await serve(handles(Task.method.wait, () => new Promise<never>(() => undefined)))
    const client = await dial(path)
    const waits = Array.from({ length: 50 }, (_, index) =>
      failureOf(client.call(Task.method.wait, { id: `c${index}` })),
    )
    await server.close()
    expect(new Set((await Promise.all(waits)).map(({ code }) => code))).toEqual(new Set(['ERR_MONITOR_LOST']))
    expect((await client.closed).code).toBe('ERR_MONITOR_LOST')
    expect(await failureOf(client.call(Task.method.state, { id: 'a' }))).toMatchObject({
      code: 'ERR_MONITOR_LOST',
    })
  })

  it('takes a frame that is too long for the end of the connection', async () => {
    const path = await serveRaw((socket) => {
      socket.once('data', () => socket.write(Buffer.from('ffffffff000000010200', 'hex')))
    })
    const client = await dial(path)
    const error = await failureOf(client.call(Task.method.state, { id: 'a' }))
    expect(error.code).toBe('ERR_MONITOR_LOST')
    expect(error.message).toContain('4194304')
  })

  it('refuses an answer that is none, and lives on', async () => {
    const path = await serveRaw((socket) => {
      socket.on('data', (request: Buffer) => {
        const streamId = request.subarray(4, 8)
        // A field of a type that does not exist.
        socket.write(
          Buffer.concat([Buffer.from('00000002', 'hex'), streamId, Buffer.from('02000f0f', 'hex')]),
        )
      })
    })
    const client = await dial(path)
    for (const id of ['a', 'b'])
      expect(await failureOf(client.call(Task.method.state, { id }))).toMatchObject({
        code: 'ERR_RUNTIME_FAILED',
      })
  })

  it('ignores answers to nobody and frames of other kinds', async () => {
    const path = await serveRaw((socket) => {
      socket.once('data', () => {
        socket.write(Buffer.from('000000000000006302000000000000000001030000000000000000010200', 'hex'))
      })
    })
    const client = await dial(path)
    expect(await client.call(Task.method.state, { id: 'a' })).toMatchObject({ id: '' })
  })

  it('says which socket does not accept', async () => {
    const path = `${makeTempRoot()}/nobody`
    const error = await failureOf(dial(path))
    expect(error.code).toBe('ERR_IO')
    expect(error.message).toContain(path)
  })

  it('refuses a call beyond the limit of pending ones', async () => {
    const { path } = await serve(handles(Task.method.wait, () => new Promise<never>(() => undefined)))
    const client = await dial(path)
    const waits = Array.from({ length: 4096 }, () => client.call(Task.method.wait, { id: 'a' }))
    expect(await failureOf(client.call(Task.method.wait, { id: 'a' }))).toMatchObject({ code: 'ERR_BUSY' })
    client.close()
    expect((await Promise.allSettled(waits)).every(({ status }) => status === 'rejected')).toBe(true)
  })
})

describe('a ttrpc server', () => {
  it('answers what it cannot decode with a status, and serves on', async () => {
    const { path } = await serve(stateOf(2))
    const socket = connect({ path })
    closers.push(() => socket.destroy())
    const { typeName: service } = Task
    const cut = create(RequestSchema, { service, method: 'State', payload: new Uint8Array([0x0a, 0x09]) })
    const good = create(RequestSchema, { service, method: 'State', payload: new Uint8Array() })
    const requests = [new Uint8Array([0x0f]), toBinary(RequestSchema, cut), toBinary(RequestSchema, good)]
    requests.forEach((data, index) =>
      socket.write(encodeFrame({ streamId: 2 * index + 1, kind: kindRequest, data })),
    )
    const reader = new FrameReader()
    const answers = new Map<number, number | undefined>()
    while (answers.size < 3) {
      const chunk = await new Promise<Buffer>((resolve) => socket.once('data', resolve))
      for (const { streamId, data } of reader.push(chunk))
        answers.set(streamId, fromBinary(ResponseSchema, data).status?.code)
    }
    expect([answers.get(1), answers.get(3), answers.get(5)]).toEqual([3, 13, undefined])
  })

  it('takes the place of a socket that was left behind', async () => {
    const path = await serveRaw((socket) => socket.destroy())
    const server = await serveTtrpc(path, [stateOf(4)])
    closers.push(() => server.close())
    const client = await dial(path)
    expect(await client.call(Task.method.state, { id: 'a' })).toMatchObject({ status: 4 })
  })
})
