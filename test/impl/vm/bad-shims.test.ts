/** Shims that are none, or broken ones: a typed error, in time, and nothing left. */
import { createServer, type Socket } from 'node:net'
import { once } from 'node:events'
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Container } from '../../../src/container.ts'
import { isOciError } from '../../../src/errors/index.ts'
import { makeTempRoot } from '../../support/temp-root.ts'
import { createEffect, effect, never, openFakeHost, openFakeShim, type FakeHost } from './fake-shim.ts'

async function failureOf(host: FakeHost, timeoutMs = 20_000): Promise<{ code: string; message: string }> {
  const container = await host.container()
  const error: unknown = await host.impl.create(container, { ...createEffect, timeoutMs }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isOciError(error)) throw new Error('no OciError', { cause: error })
  await host.impl.cleanUp(container, effect)
  await host.impl.delete(container, effect)
  expect(leftOf(host, container.bundlePath, container.dir)).toEqual([])
  return error
}

function leftOf(host: FakeHost, bundle: string, dir: string): string[] {
  const streams = `${host.runDir}/vm/streams`
  return [
    ...readdirSync(bundle).filter((name) => name !== 'config.json'),
    ...(existsSync(dir) ? readdirSync(dir) : []),
    ...(existsSync(streams) ? readdirSync(streams) : []),
  ]
}

/** A server that says what it likes to whoever connects. */
async function serveRaw(onConnection: (socket: Socket) => void): Promise<string> {
  const path = `${makeTempRoot()}/s`
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined))
    onConnection(socket)
  })
  server.listen(path)
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return path
}

it('a container whose log would be where its shim writes its own is refused', async () => {
  const host = await openFakeHost(makeTempRoot(), { script: 'exit 0' })
  const { id, bundlePath } = await host.container()
  const attempt = host.impl.create(
    new Container({ id, bundlePath, logPath: `${bundlePath}/log` }),
    createEffect,
  )
  await expect(attempt).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'logPath' })
  expect(readdirSync(bundlePath)).toEqual(['config.json'])
})

describe('a shim', () => {
  it.each([
    ['that prints rubbish', 'echo hello world', 'ERR_MONITOR_FAILED', /address.*hello world/],
    ['that says nothing', 'exit 0', 'ERR_MONITOR_FAILED', /it said nothing/],
    ['that fails', 'echo "no such thing" >&2; exit 3', 'ERR_MONITOR_FAILED', /code 3: no such thing/],
    ['that is killed', 'kill -9 $$', 'ERR_MONITOR_FAILED', /SIGKILL/],
    ['of version 3', `echo '{"version":3,"address":"unix:///s"}'`, 'ERR_UNSUPPORTED', /version 3/],
    [
      'that speaks grpc',
      `echo '{"version":2,"address":"unix:///s","protocol":"grpc"}'`,
      'ERR_UNSUPPORTED',
      /grpc/,
    ],
    [
      'that is dead when it has answered',
      'echo unix:///tmp/os-nobody',
      'ERR_MONITOR_FAILED',
      /does not live/,
    ],
    ['that prints for ever', 'while :; do echo unix:///s; done', 'ERR_TIMEOUT', /did not end/],
    ['that never ends', 'sleep 1000', 'ERR_TIMEOUT', /did not end/],
  ])('%s', async (_, script, code, message) => {
    const host = await openFakeHost(makeTempRoot(), { script })
    const error = await failureOf(host, code === 'ERR_TIMEOUT' ? 1500 : undefined)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  })

  it('that is not there, or is no program', async () => {
    const root = makeTempRoot()
    const host = await openFakeHost(root, { script: '' })
    chmodSync(`${root}/containerd-shim-fake-v2`, 0o644)
    expect((await failureOf(host)).code).toBe('ERR_RUNTIME_NOT_FOUND')
    rmSync(`${root}/containerd-shim-fake-v2`)
    expect((await failureOf(host)).code).toBe('ERR_RUNTIME_NOT_FOUND')
  })

  it('that accepts and never answers', async () => {
    const path = await serveRaw(() => undefined)
    const host = await openFakeHost(makeTempRoot(), { script: `echo unix://${path}` })
    const error = await failureOf(host, 1500)
    expect(error.code).toBe('ERR_TIMEOUT')
    expect(error.message).toContain('Connect')
  })

  it.each([
    ['sends a frame over 4 MiB', '00400001000000010200'],
    ['sends what is no message', '000000020000000102000f0f'],
    ['closes', ''],
  ])('that %s', async (_, hex) => {
    const path = await serveRaw((socket) => {
      socket.once('data', () => (hex === '' ? socket.destroy() : socket.write(Buffer.from(hex, 'hex'))))
    })
    const host = await openFakeHost(makeTempRoot(), { script: `echo unix://${path}` })
    expect((await failureOf(host)).code).toMatch(/^ERR_(?:MONITOR_LOST|RUNTIME_FAILED)$/)
  })

  it('that says it is us, or nobody', async () => {
    for (const shimPid of [process.pid, 0, 1, 2 ** 22 + 5]) {
      const fake = await openFakeShim({ connect: () => ({ shimPid }) })
      expect((await failureOf(fake)).code).toBe('ERR_MONITOR_FAILED')
    }
  })

  it('that says the container is us', async () => {
    const fake = await openFakeShim({ create: () => ({ pid: process.pid }) })
    expect((await failureOf(fake)).code).toBe('ERR_MONITOR_FAILED')
  })

  it('that never creates', async () => {
    const fake = await openFakeShim({ create: never })
    const error = await failureOf(fake, 1500)
    expect(error.code).toBe('ERR_TIMEOUT')
    expect(error.message).toContain('Create')
  })

  it('that has the container already is left alone', async () => {
    const fake = await openFakeShim({ state: ({ id }) => ({ id, status: 2, pid: 4711 }) })
    expect((await failureOf(fake)).code).toBe('ERR_CONTAINER_EXISTS')
    expect(fake.calls).not.toContain('Shutdown')
    expect(fake.shim.signalCode).toBeNull()
  })
})
