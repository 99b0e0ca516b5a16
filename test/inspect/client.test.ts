import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { Client, waitingBytesMax } from '../../src/inspect/client.ts'

let server: WebSocketServer
beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
})
afterEach(() => {
  for (const socket of server.clients) socket.terminate()
  server.close()
})

async function connected(): Promise<{ client: Client; socket: WebSocket; far: WebSocket }> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
  const { port } = server.address() as AddressInfo
  const far = new WebSocket(`ws://127.0.0.1:${port}`)
  const arrival = new Promise<WebSocket>((resolve) => server.once('connection', resolve))
  await once(far, 'open')
  const socket = await arrival
  return { client: new Client(socket), socket, far }
}

describe('a client', () => {
  it('that does not read is dropped before more than its limit waits for it', async () => {
    const { client, socket, far } = await connected()
    far.pause()
    const text = 'x'.repeat(256 * 1024)
    let mostBytes = 0
    for (let count = 0; count < 200 && !client.ended.aborted; count += 1) {
      client.send(text)
      mostBytes = Math.max(mostBytes, socket.bufferedAmount)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(client.ended.aborted).toBe(true)
    expect(mostBytes).toBeLessThanOrEqual(waitingBytesMax + 1024)
    far.terminate()
  })

  it('that reads gets everything, also what was more than the limit', async () => {
    const { client, far } = await connected()
    let bytes = 0
    far.on('message', (data: Buffer) => (bytes += data.length))
    const text = 'x'.repeat(1024 * 1024)
    for (let count = 0; count < 8; count += 1) await client.sendAndWait(text)
    client.close()
    await once(far, 'close')
    expect(bytes).toBe(8 * 1024 * 1024)
  })

  it('that leaves ends the wait for what is on its way to it', async () => {
    const { client, far } = await connected()
    far.pause()
    const sent = client.sendAndWait('x'.repeat(16 * 1024 * 1024))
    far.terminate()
    expect(await sent).toBeUndefined()
  })
})
