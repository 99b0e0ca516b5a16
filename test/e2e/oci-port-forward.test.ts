import { createHash, randomBytes } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, symlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { duplexPair, type Duplex } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Container } from '../../src/container.ts'
import { isOciError, type OciError } from '../../src/errors/index.ts'
import type { ProcessIdentity } from '../../src/impl/runtime-impl.ts'
import { portRefusedCode } from '../../src/impl/streams-port.ts'
import { makeTempRoot } from '../support/temp-root.ts'
import { createEffect, effect, noAbort, openHost, processesNaming, runtimeNames, until } from './oci-host.ts'
import type { OciHost, RuntimeName } from './oci-host.ts'
import { openStreams, type StreamsOnHost } from './oci-streams.ts'

const KILL = 9
const MiB = 1024 * 1024

const ports = {
  echo: 7000,
  digest: 7001,
  speaksFirst: 7002,
  resets: 7003,
  mute: 7004,
  quiet: 7005,
  ipv6: 7006,
  none: 7999,
}

/** Runs in the container's network namespace. Speaks of what it sees on its standard output. */
const server = `
  const { createHash } = require('node:crypto')
  const on = (port, host, serve) => require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    serve(socket)
  }).listen(port, host)
  const digest = (socket, tell) => {
    const hash = createHash('sha256')
    socket.on('data', (chunk) => hash.update(chunk)).on('end', () => tell(hash.digest('hex')))
  }
  on(${ports.echo}, '127.0.0.1', (socket) => socket.pipe(socket))
  on(${ports.digest}, '127.0.0.1', (socket) => digest(socket, (hex) => { console.log(hex); socket.end(hex) }))
  on(${ports.speaksFirst}, '127.0.0.1', (socket) => { socket.end('first'); digest(socket, console.log) })
  on(${ports.resets}, '127.0.0.1', (socket) => socket.once('data', () => socket.resetAndDestroy()))
  on(${ports.mute}, '127.0.0.1', (socket) => socket.pause())
  on(${ports.quiet}, '127.0.0.1', (socket) => socket.resume().on('end', () => socket.end(() => console.log('closed'))))
  on(${ports.ipv6}, '::1', (socket) => socket.pipe(socket)).on('listening', () => console.log('ready'))
`

interface Stage {
  readonly host: OciHost
  readonly streams: StreamsOnHost
  readonly container: Container
  readonly init: ProcessIdentity
  /** The next line that the servers say. */
  readonly said: () => Promise<string>
  readonly forward: (port: number, stream: Duplex, signal?: AbortSignal) => Promise<void>
}

/** A running container with the servers in its network namespace. */
async function serve(runtime: RuntimeName): Promise<Stage> {
  const host = await openHost(runtime)
  const streams = await openStreams(host)
  const container = await host.container(['/bin/sleep', '1000'])
  const { init } = await host.impl.create(container, createEffect)
  await host.impl.start(container, effect)
  const argv = ['-t', String(init.pid), '-n', process.execPath, '-e', server]
  const child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await once(child, 'close')
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const said = async () => String((await lines.next()).value)
  expect(await said()).toBe('ready')
  // Runs first, while everything stands: nothing of a forward may be left.
  onTestFinished(async () => {
    await until('no process of a forward is left', () => sessions().length === 0)
    expect(socketFiles(host)).toEqual([])
  })
  return {
    host,
    streams,
    container,
    init,
    said,
    forward: (port, stream, signal = noAbort) =>
      streams.portForward(container, init, { port, stream }, { signal }),
  }
}

function socketFiles({ config }: OciHost): string[] {
  const directory = `${config.runDir}/forward`
  return existsSync(directory) ? readdirSync(directory) : []
}

/** The processes that forward for this test: they name our descriptors. */
function sessions(): string[] {
  return processesNaming(`--net=/proc/${process.pid}/fd/`).concat(processesNaming('UNIX-CONNECT:'))
}

async function errorOf(promise: Promise<unknown>): Promise<OciError> {
  const error: unknown = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
  if (isOciError(error)) return error
  throw error
}

/** The next so many bytes of a stream, which stays open. */
async function take(stream: Duplex, sizeBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let receivedBytes = 0
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    receivedBytes += chunk.length
    if (receivedBytes >= sizeBytes) break
  }
  return Buffer.concat(chunks)
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function portOf(listener: Server): number {
  const address = listener.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A client over a real socket: its end, and the end that an embedder would hand over. */
async function socketPair(): Promise<{ client: Socket; stream: Socket }> {
  const listener: Server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const accepted = new Promise<Socket>((resolve) => void listener.once('connection', resolve))
  const client = connect({ port: portOf(listener), allowHalfOpen: true })
  const stream = await accepted
  listener.close()
  onTestFinished(() => {
    client.destroy()
    stream.destroy()
  })
  client.on('error', () => undefined)
  return { client, stream }
}

describe.each(runtimeNames)('port forwarding on %s', (runtime) => {
  it('carries 5 MB there and back unchanged', async () => {
    const { forward } = await serve(runtime)
    const [client, stream] = duplexPair()
    const session = forward(ports.echo, stream)
    const bytes = randomBytes(5 * MiB)
    client.end(bytes)
    expect(sha256(await buffer(client))).toBe(sha256(bytes))
    await session
  })

  it('lets the client end its direction and still brings the answer', async () => {
    const { forward } = await serve(runtime)
    const [client, stream] = duplexPair()
    const session = forward(ports.digest, stream)
    const bytes = randomBytes(MiB)
    client.end(bytes)
    expect(await text(client)).toBe(sha256(bytes))
    await session
  })

  it('lets the server end its direction and still takes what the client says', async () => {
    const { forward, said } = await serve(runtime)
    const [client, stream] = duplexPair()
    const session = forward(ports.speaksFirst, stream)
    // Read to its end: the server has nothing more to say.
    expect(await text(client)).toBe('first')
    const bytes = randomBytes(MiB)
    client.end(bytes)
    expect(await said()).toBe(sha256(bytes))
    await session
  })

  it('serves a hundred clients at once, and other commands meanwhile', async () => {
    const { host, streams, forward, container, init } = await serve(runtime)
    const clients = Array.from({ length: 100 }, () => {
      const [client, stream] = duplexPair()
      return { client, session: forward(ports.echo, stream), bytes: randomBytes(65_536) }
    })
    await Promise.all(
      clients.map(async ({ client, bytes }) => {
        client.write(bytes)
        expect(sha256(await take(client, bytes.length))).toBe(sha256(bytes))
      }),
    )
    // All of them are open now.
    expect(sessions().length).toBeGreaterThanOrEqual(100)
    const { stdout } = await streams.launcher.run({
      argv: ['/bin/echo', 'hello'],
      env: {},
      timeoutMs: 20_000,
    })
    expect(stdout).toBe('hello\n')
    expect((await host.impl.observe(container, effect)).init).toEqual(init)
    for (const { client } of clients) client.resume().end()
    await Promise.all(clients.map(({ session }) => session))
  })

  it('reaches a server that listens on IPv6 only', async () => {
    const { forward } = await serve(runtime)
    const [client, stream] = duplexPair()
    const session = forward(ports.ipv6, stream)
    client.end('hello')
    expect(await text(client)).toBe('hello')
    await session
  })

  it('refuses a port at which nobody listens and leaves the stream as it is', async () => {
    const { forward } = await serve(runtime)
    const [client, stream] = duplexPair()
    client.write('hello')
    const error = await errorOf(forward(ports.none, stream))
    expect(error).toMatchObject({ code: portRefusedCode })
    expect(error.message).toMatch(/^port 7999 of container \S+ cannot be reached .*Connection refused$/)
    expect(stream.destroyed).toBe(false)
    expect(stream.listenerCount('error') + stream.listenerCount('close')).toBe(0)
    expect(String(stream.read())).toBe('hello')
  })

  it('refuses a container that is dead', async () => {
    const { host, streams, forward, container, init } = await serve(runtime)
    const exit = host.exit(container)
    await host.impl.signal(container, init, KILL, effect)
    await exit
    const [, stream] = duplexPair()
    expect(await errorOf(forward(ports.echo, stream))).toMatchObject({
      code: 'ERR_NOT_RUNNING',
      containerId: container.id,
    })
    // Its pid may be a stranger's by now.
    const stranger = { pid: process.ppid, startTicks: '1' }
    const request = { port: ports.echo, stream }
    expect(await errorOf(streams.portForward(container, stranger, request, effect))).toMatchObject({
      code: 'ERR_NOT_RUNNING',
    })
  })

  it.each([
    ['reads', ports.quiet],
    ['does not read', ports.mute],
  ])('ends the session when it is aborted while the server %s', async (_, port) => {
    const { forward, said } = await serve(runtime)
    const [client, stream] = duplexPair()
    const abort = new AbortController()
    const session = errorOf(forward(port, stream, abort.signal))
    client.write('hello')
    await until('the connection stands', () => stream.readableFlowing === true)
    client.write(randomBytes(16 * MiB))
    abort.abort()
    expect(await session).toMatchObject({ code: 'ERR_ABORTED' })
    // Its caller does not wait for that.
    await until('socat has ended', () => sessions().length === 0)
    expect(stream.destroyed).toBe(true)
    // One that does not read never learns of the end.
    const last = port === ports.quiet ? await said() : 'closed'
    expect(last).toBe('closed')
  })

  it('holds the client back while the server does not read', async () => {
    const { forward } = await serve(runtime)
    const [client, stream] = duplexPair()
    const abort = new AbortController()
    const session = errorOf(forward(ports.mute, stream, abort.signal))
    let sentBytes = 0
    const chunk = Buffer.alloc(MiB)
    const drained = async () => {
      while (sentBytes < 64 * MiB) {
        sentBytes += chunk.length
        if (!client.write(chunk)) await once(client, 'drain', { signal: abort.signal })
      }
    }
    const sending = drained().catch(() => 'held back')
    // What the kernel and socat hold is filled, and then nothing moves any more.
    let before = -1
    await until('nothing moves any more', async () => {
      const same = before === sentBytes && sessions().length > 0 && sentBytes > 0
      before = sentBytes
      await new Promise((resolve) => setTimeout(resolve, 300))
      return same
    })
    expect(sentBytes).toBeLessThan(64 * MiB)
    abort.abort()
    expect(await sending).toBe('held back')
    await session
  })

  it('says that a connection broke', async () => {
    const { forward } = await serve(runtime)
    const [client, stream] = duplexPair()
    const session = errorOf(forward(ports.resets, stream))
    client.write('hello')
    // To the client it looks like the server's end: a stream has no other word for it.
    expect(await text(client)).toBe('')
    client.end()
    const error = await session
    expect(error).toMatchObject({ code: 'ERR_IO' })
    expect(error.message).toMatch(/broke: .*Connection reset by peer/)
    expect(stream.destroyed).toBe(true)
  })

  it('ends quietly when the client leaves', async () => {
    const { forward, said } = await serve(runtime)
    const { client, stream } = await socketPair()
    const session = forward(ports.quiet, stream)
    client.write('hello')
    await until('the connection stands', () => stream.readableFlowing === true)
    client.resetAndDestroy()
    await session
    expect(await said()).toBe('closed')
  })

  it('delivers what a client sent before it left', async () => {
    const { forward, said } = await serve(runtime)
    const { client, stream } = await socketPair()
    const session = forward(ports.digest, stream)
    const bytes = randomBytes(MiB)
    client.end(bytes, () => client.destroy())
    await session
    expect(await said()).toBe(sha256(bytes))
  })

  it('enters the namespace that the container was given', async () => {
    const { host, streams, init } = await serve(runtime)
    const netns = `${host.root}/netns`
    symlinkSync(`/proc/${init.pid}/ns/net`, netns)
    const path = (spec: { linux?: { namespaces?: { type: string; path?: string }[] } }) => {
      for (const namespace of spec.linux?.namespaces ?? [])
        if (namespace.type === 'network') namespace.path = netns
    }
    const second = await host.container(['/bin/sleep', '1000'], { change: path, container: { netns } })
    const created = await host.impl.create(second, createEffect)
    await host.impl.start(second, effect)
    const [client, stream] = duplexPair()
    const session = streams.portForward(second, created.init, { port: ports.echo, stream }, effect)
    client.end('hello')
    expect(await text(client)).toBe('hello')
    await session
  })
})

describe('port forwarding', () => {
  it('refuses what is no port', async () => {
    const host = await openHost('crun')
    const streams = await openStreams(host)
    const container = await host.container(['/bin/true'])
    const [, stream] = duplexPair()
    const init = { pid: process.ppid, startTicks: '1' }
    for (const port of [0, 70_000, -1, 1.5, Number.NaN]) {
      expect(await errorOf(streams.portForward(container, init, { port, stream }, effect))).toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        field: 'port',
      })
    }
  })

  it.each(['nsenter', 'socat'])('says what to install where there is no %s', async (program) => {
    const host = await openHost('crun')
    const directory = makeTempRoot()
    if (program === 'socat') symlinkSync('/usr/bin/nsenter', `${directory}/nsenter`)
    const streams = await openStreams(host, { PATH: directory })
    const container = await host.container(['/bin/true'])
    const [, stream] = duplexPair()
    const init = { pid: process.ppid, startTicks: '1' }
    const error = await errorOf(streams.portForward(container, init, { port: 80, stream }, effect))
    expect(error.code).toBe('ERR_UNSUPPORTED')
    expect(error.message).toContain(`there is no ${program} on PATH`)
  })
})
