import { mkdtempSync, statSync, writeFileSync, rmSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { watchersMax } from '../../src/inspect/server.ts'
import { openInspected, rawStatus, streamUrl, Watcher, type Inspected } from './inspected.ts'

const token = 'a-token-of-this-test'

let inspected: Inspected
beforeEach(async () => {
  inspected = await openInspected({ token })
})
afterEach(() => inspected[Symbol.asyncDispose]())

function target(): { port: number } {
  return { port: inspected.inspector.port ?? 0 }
}

function get(path: string, host = `127.0.0.1:${target().port}`, ...more: string[]): Promise<number> {
  return rawStatus(target(), [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...more])
}

const upgrade = [
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]

/** The status of an attempt to open a stream; 101 when it is open. */
function open(path: string, host: string, ...more: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = Object.fromEntries(
      [...upgrade, `Host: ${host}`, 'Connection: Upgrade', ...more].map((line) => {
        const [name = '', ...value] = line.split(': ')
        return [name, value.join(': ')]
      }),
    )
    const request = httpRequest({ ...target(), host: '127.0.0.1', path, headers })
    request.on('response', (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.on('upgrade', (_, socket) => {
      socket.destroy()
      resolve(101)
    })
    request.on('error', reject)
    request.end()
  })
}

describe('a request', () => {
  it('without a token, or with a wrong one, is not authorised, whatever it asks for', async () => {
    for (const path of ['/', '/watch', '/stately', '/statecharts/x', '/metrics', '/nowhere']) {
      expect(await get(path), path).toBe(401)
      expect(await get(`${path}?token=${token}x`), path).toBe(401)
    }
    expect(await get(`/?token=${token}`)).toBe(200)
    expect(await get('/', undefined, `Authorization: Bearer ${token}`)).toBe(200)
  })

  it('under a name that is not this machine’s own is forbidden, also with the token: a page may rebind its name', async () => {
    for (const host of [
      'evil.example',
      `evil.example:${target().port}`,
      '127.0.0.1.evil.example',
      '0.0.0.0',
      '',
    ]) {
      expect(await get(`/?token=${token}`, host), host).toBe(403)
    }
    expect(await get(`/?token=${token}`, `localhost:${target().port}`)).toBe(200)
  })

  it('of a page of another origin is forbidden', async () => {
    const origins = [
      'http://evil.example',
      'null',
      `https://127.0.0.1:${target().port}`,
      'http://127.0.0.1:1',
    ]
    for (const origin of origins) {
      expect(await get(`/?token=${token}`, undefined, `Origin: ${origin}`), origin).toBe(403)
    }
  })

  it('that is no GET is not allowed, and an unknown address is not found', async () => {
    const host = `Host: 127.0.0.1:${target().port}`
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      expect(await rawStatus(target(), [`${method} /?token=${token} HTTP/1.1`, host]), method).toBe(405)
    }
    expect(await get(`/secrets?token=${token}`)).toBe(404)
    expect(await get(`//evil.example/?token=${token}`)).toBe(404)
    expect(await get(`/..%2f..%2fetc/passwd?token=${token}`)).toBe(404)
  })

  it('with a header of more than 8 KiB is refused', async () => {
    expect(await get(`/?token=${token}`, undefined, `X-Large: ${'x'.repeat(9000)}`)).toBe(431)
  })

  it('of a client that asks too often is refused', async () => {
    const statuses = await Promise.all(Array.from({ length: 80 }, () => get(`/?token=${token}`)))
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(10)
  })

  it('of somebody who may come in is answered while others try again and again to', async () => {
    const statuses = await Promise.all(Array.from({ length: 80 }, () => get('/')))
    expect(new Set(statuses)).toEqual(new Set([401, 429]))
    expect(await get(`/?token=${token}`)).toBe(200)
  })

  it('is answered with a policy that allows the page itself and nothing else', async () => {
    const { headers } = await fetch(inspected.inspector.url)
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("connect-src 'self'")
    expect(policy).not.toMatch(/unsafe|https?:|\*/)
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('cache-control')).toBe('no-store')
  })
})

describe('an upgrade', () => {
  it('needs the name, the origin and the token', async () => {
    const own = `127.0.0.1:${target().port}`
    expect(await open('/watch', own)).toBe(401)
    expect(await open(`/watch?token=${token}`, 'evil.example')).toBe(403)
    expect(await open(`/watch?token=${token}`, own, 'Origin: http://evil.example')).toBe(403)
    expect(await open(`/stately?token=${token}`, own, 'Origin: http://evil.example')).toBe(403)
    expect(await open(`/elsewhere?token=${token}`, own)).toBe(404)
    expect(await open(`/watch?token=${token}`, own, `Origin: http://${own}`)).toBe(101)
  })

  it('of a page that the embedder lists is accepted', async () => {
    await using listing = await openInspected({ origins: ['http://tools.example'] })
    const watcher = new Watcher(streamUrl(listing), { origin: 'http://tools.example' })
    expect(await watcher.frame(({ type }) => type === 'hello')).toMatchObject({ version: 1 })
    await watcher.close()
  })

  it('beyond the number of watchers is refused', async () => {
    const own = `127.0.0.1:${target().port}`
    const watchers = Array.from({ length: watchersMax }, () => new Watcher(streamUrl(inspected)))
    await Promise.all(watchers.map((watcher) => watcher.frame(({ type }) => type === 'hello')))
    expect(await open(`/watch?token=${token}`, own)).toBe(503)
    await Promise.all(watchers.map((watcher) => watcher.close()))
  })
})

describe('a message of a client', () => {
  it('is ignored', async () => {
    const web = await inspected.run({ id: 'web' })
    const watcher = new Watcher(streamUrl(inspected, '/watch', { id: 'web' }))
    await watcher.frame(({ type }) => type === 'state')
    for (const text of [
      '{"type":"container.stop","timeoutMs":0}',
      '{"type":"@statelyai.connected"}',
      'not JSON',
    ]) {
      watcher.socket.send(text)
    }
    // A pong comes back only after everything before it was taken in.
    watcher.socket.ping()
    await new Promise((resolve) => watcher.socket.once('pong', resolve))
    expect(web.phase).toBe('running')
    expect(watcher.socket.readyState).toBe(WebSocket.OPEN)
    await watcher.close()
  })

  it('that is too large ends its connection', async () => {
    const watcher = new Watcher(streamUrl(inspected))
    await watcher.frame(({ type }) => type === 'hello')
    watcher.socket.send('x'.repeat(2000))
    expect(await watcher.closed).toBe(1009)
  })

  it('ends its connection when there are too many of them', async () => {
    const watcher = new Watcher(streamUrl(inspected))
    await watcher.frame(({ type }) => type === 'hello')
    for (let count = 0; count < 200; count += 1) watcher.socket.send('x')
    expect(await watcher.closed).toBe(1008)
  })
})

describe('a Unix socket', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'inspector-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))
  const page = ['GET / HTTP/1.1', 'Host: localhost']

  it('is its owner’s only, needs no token, and still checks name and origin', async () => {
    const path = join(directory, 'private', 'inspector.sock')
    await using onSocket = await openInspected({ socketPath: path })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(directory, 'private')).mode & 0o777).toBe(0o700)
    expect(onSocket.inspector.port).toBeUndefined()
    expect(await rawStatus({ path }, page)).toBe(200)
    expect(await rawStatus({ path }, ['GET / HTTP/1.1', 'Host: evil.example'])).toBe(403)
    expect(await rawStatus({ path }, [...page, 'Origin: http://evil.example'])).toBe(403)
  })

  it('of a supervisor that died is taken over, one that is alive is not', async () => {
    const path = join(directory, 'inspector.sock')
    await using first = await openInspected({ socketPath: path })
    await expect(openInspected({ socketPath: path })).rejects.toMatchObject({ code: 'ERR_IO' })
    await first.inspector.close()

    const dead = createServer()
    await new Promise<void>((resolve) => dead.listen(path, resolve))
    // What a killed process leaves: the file without the listener.
    const { promise, resolve } = Promise.withResolvers<void>()
    const hidden = `${path}.hidden`
    const { linkSync } = await import('node:fs')
    linkSync(path, hidden)
    dead.close(() => resolve())
    await promise
    linkSync(hidden, path)
    await using second = await openInspected({ socketPath: path })
    expect(await rawStatus({ path }, page)).toBe(200)
    await second.inspector.close()
  })

  it('is not made in place of a file', async () => {
    const path = join(directory, 'precious')
    writeFileSync(path, 'data')
    await expect(openInspected({ socketPath: path })).rejects.toMatchObject({ code: 'ERR_IO' })
  })
})

describe('options', () => {
  it.each([
    [{ socketPath: 'relative.sock' }, 'socketPath'],
    [{ socketPath: '/run/x.sock', port: 1 }, 'port'],
    [{ port: 70_000 }, 'port'],
    [{ token: 'short' }, 'token'],
    [{ token: 'with a space in it' }, 'token'],
    [{ origins: ['http://a.example/path'] }, 'origins'],
  ])('%j are refused by name', async (options, field) => {
    const { openInspector } = await import('../../src/inspect/index.ts')
    await expect(openInspector(inspected.runtime, options)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      field,
    })
  })
})
