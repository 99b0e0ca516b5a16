/** A SEQPACKET server in conmon's place, in this process. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { SeqpacketServer, type SeqpacketSocket } from 'node-unix-socket'
import { onTestFinished } from 'vitest'
import { makeTempRoot } from '../../support/temp-root.ts'

export interface FakeMonitor {
  readonly directory: string
  readonly socket: string
  /** The next client that connects. */
  client(): Promise<FakeClient>
}

export interface FakeClient {
  /** One message; resolves when the kernel has taken it. */
  send(stream: 2 | 3, bytes: Buffer | string): Promise<void>
  readonly received: Buffer[]
  readonly inputEnded: Promise<void>
  readonly gone: Promise<void>
  close(): void
}

export function listenAsMonitor(directory = join(makeTempRoot(), 'bundle')): FakeMonitor {
  mkdirSync(directory, { recursive: true })
  const clients: FakeClient[] = []
  const wanted: ((client: FakeClient) => void)[] = []
  const server = new SeqpacketServer()
  server.on('connection', (socket: SeqpacketSocket) => {
    const client = fakeClient(socket)
    onTestFinished(() => client.close())
    const taker = wanted.shift()
    if (taker === undefined) clients.push(client)
    else setImmediate(taker, client)
  })
  withinDirectory(directory, () => server.listen('attach', 10))
  onTestFinished(() => server.close())
  return {
    directory,
    socket: 'attach',
    client: () => {
      const client = clients.shift()
      return client === undefined ? new Promise((resolve) => wanted.push(resolve)) : Promise.resolve(client)
    },
  }
}

/** The path of the directory may be longer than a socket's may be. */
function withinDirectory(directory: string, work: () => void): void {
  const before = process.cwd()
  process.chdir(directory)
  try {
    work()
  } finally {
    process.chdir(before)
  }
}

/** For what the library calls: on Node 26 promises that are settled there stay as they are until something else happens. */
function inOwnTurn(work: () => void): () => void {
  return () => void setImmediate(work)
}

function fakeClient(socket: SeqpacketSocket): FakeClient {
  const received: Buffer[] = []
  const inputEnded = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  socket.on('data', (message: Buffer) => received.push(message))
  socket.on('end', inOwnTurn(inputEnded.resolve))
  socket.on('error', inOwnTurn(gone.resolve))
  socket.on('close', inOwnTurn(gone.resolve))
  return {
    received,
    inputEnded: inputEnded.promise,
    gone: gone.promise,
    send: (stream, bytes) => {
      const message = Buffer.concat([Buffer.from([stream]), Buffer.from(bytes)])
      return new Promise((resolve) => socket.write(message, 0, message.length, inOwnTurn(resolve)))
    },
    close: () => {
      setImmediate(() => socket.destroy())
    },
  }
}
