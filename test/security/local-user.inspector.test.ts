/** Another user of this machine, without the token: everybody can connect to 127.0.0.1. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { openInspected, rawStatus, streamUrl, Watcher, type Inspected } from '../inspect/inspected.ts'

const token = 'a-token-of-this-test'
const connections = 300

let inspected: Inspected
beforeEach(async () => {
  inspected = await openInspected({ token })
})
afterEach(() => inspected[Symbol.asyncDispose]())

function port(): number {
  return inspected.inspector.port ?? 0
}

/** Sends something and never closes its half by itself. */
function holdOpen(text: string): Socket {
  const socket = connect({ port: port(), host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => undefined)
  socket.resume()
  socket.write(text)
  onTestFinished(() => void socket.destroy())
  return socket
}

async function flood(text: string): Promise<Socket[]> {
  const sockets = Array.from({ length: connections }, () => holdOpen(text))
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  return sockets
}

function pageStatus(): Promise<number> {
  return rawStatus({ port: port() }, [`GET /?token=${token} HTTP/1.1`, 'Host: 127.0.0.1'])
}

const upgrade = [
  'GET /watch HTTP/1.1',
  'Host: 127.0.0.1',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  '',
  '',
].join('\r\n')

describe('a local user without the token', () => {
  it.each([
    ['refused upgrades', upgrade],
    ['refused requests', 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    ['requests that never end', 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: '],
    ['connections that say nothing', ''],
  ])('keeps nobody out with %s', async (_, text) => {
    await flood(text)
    expect(await pageStatus()).toBe(200)
    const watcher = new Watcher(streamUrl(inspected))
    await watcher.frame(({ type }) => type === 'hello')
    await watcher.close()
  })

  it('takes no place of those who watch already', async () => {
    const watcher = new Watcher(streamUrl(inspected))
    await watcher.frame(({ type }) => type === 'hello')
    await flood('')
    watcher.forget()
    await inspected.run({ id: 'web' })
    const { rows } = await watcher.frame(({ type }) => type === 'rows')
    expect(JSON.stringify(rows)).toContain('web')
    await watcher.close()
  })

  it.each([
    ['upgrade', upgrade],
    ['request', 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
  ])(
    'holds no connection of the inspector after a refused %s, though it never closes its own',
    async (_, text) => {
      const socket = holdOpen(text)
      await once(socket, 'end')
      // What is sent to a connection that is still held is taken without an error.
      const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
      const sending = setInterval(() => socket.write('x'), 5)
      await closed
      clearInterval(sending)
      expect(socket.destroyed).toBe(true)
    },
  )

  it('is sent away when it says nothing', async () => {
    const socket = holdOpen('')
    await once(socket, 'end')
    expect(socket.readableEnded).toBe(true)
  })
})
