/** A bus with a systemd on it, as a socket of this process: what it answers is the test's to say. */
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import {
  decodeMessage,
  encodeMessage,
  type Message,
  messageLengthBytes,
  messageTypes,
  type Value,
} from '../../../src/impl/systemd/wire.ts'
import { makeTempRoot } from '../../support/temp-root.ts'

export interface Peer {
  reply(call: Message, signature?: string, body?: readonly Value[]): void
  refuse(call: Message, errorName: string, words: string): void
  /** As systemd tells that a job is over. */
  jobRemoved(job: string, result: string): void
  readonly socket: Socket
}

export interface FakeSystemd {
  readonly address: string
  readonly path: string
  /** What was called, in order, without the greeting. */
  readonly calls: Message[]
  readonly connectionsCount: () => number
}

/** Returns false for what it leaves to the default: an empty reply. */
type Answer = (call: Message, peer: Peer) => boolean

export interface FakeOptions {
  readonly answer?: Answer
  /** What it says to a client that authenticates; undefined says nothing at all. */
  readonly greeting?: string | undefined
}

const greetings = new Set(['Hello', 'AddMatch', 'Subscribe'])

export async function openFakeSystemd(options: FakeOptions = {}): Promise<FakeSystemd> {
  const { answer = () => false } = options
  const greeting = 'greeting' in options ? options.greeting : 'OK 0123456789abcdef\r\n'
  const path = join(makeTempRoot(), 'bus')
  const calls: Message[] = []
  const sockets = new Set<Socket>()
  let connectionsCount = 0
  const server = createServer((socket) => {
    connectionsCount += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
    converse(socket, greeting, (call, peer) => {
      if (!greetings.has(call.member ?? '')) calls.push(call)
      if (!answer(call, peer)) peer.reply(call)
    })
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(path, resolve)
  await promise
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((done) => {
      server.close(done)
    })
  })
  return { address: `unix:path=${path}`, path, calls, connectionsCount: () => connectionsCount }
}

function converse(socket: Socket, greeting: string | undefined, onCall: (call: Message, peer: Peer) => void) {
  let received = Buffer.alloc(0)
  let isGreeted = false
  let serial = 0
  const send = (message: Omit<Message, 'serial'>): void => {
    serial += 1
    socket.write(encodeMessage({ ...message, serial }))
  }
  const peer: Peer = {
    socket,
    reply: (call, signature = '', body = []) =>
      send({ type: messageTypes.reply, replySerial: call.serial, signature, body }),
    refuse: (call, errorName, words) =>
      send({ type: messageTypes.error, replySerial: call.serial, errorName, signature: 's', body: [words] }),
    jobRemoved: (job, result) =>
      send({
        type: messageTypes.signal,
        path: '/org/freedesktop/systemd1',
        interface: 'org.freedesktop.systemd1.Manager',
        member: 'JobRemoved',
        signature: 'uoss',
        body: [1, job, 'x.scope', result],
      }),
  }
  socket.on('data', (bytes) => {
    received = Buffer.concat([received, bytes])
    const begin = received.indexOf('BEGIN\r\n')
    if (!isGreeted && begin < 0) {
      if (greeting !== undefined) socket.write(greeting)
      return
    }
    if (!isGreeted) received = received.subarray(begin + 7)
    isGreeted = true
    for (;;) {
      const lengthBytes = messageLengthBytes(received)
      if (lengthBytes === undefined || received.length < lengthBytes) return
      const call = decodeMessage(received.subarray(0, lengthBytes))
      received = received.subarray(lengthBytes)
      onCall(call, peer)
    }
  })
}
