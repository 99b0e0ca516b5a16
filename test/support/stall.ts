/** An event loop that stands still, and what arrives meanwhile. */
import { once } from 'node:events'
import { createServer, connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A socket and its other end. */
export async function connected(): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const near = connect(address.port, '127.0.0.1')
  const far = await new Promise<Socket>((resolve) => server.once('connection', resolve))
  if (near.connecting) await once(near, 'connect')
  onTestFinished(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return { near, far }
}

/** Nothing of this process runs meanwhile. */
export function stall(forMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs)
}
