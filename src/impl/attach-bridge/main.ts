/**
 * The attach helper: speaks SEQPACKET to monitors for the supervisor, which Node cannot.
 *
 * It is a process of its own because the native code it needs can abort its process, and then takes nothing with it but
 * attached clients. It connects to the socket that its argument names, and says nothing there that it was not asked for.
 * When that line ends, so does it.
 *
 * It takes no notice of SIGTERM: service managers send that to every process of a unit, while the embedder still stops
 * its containers and people watch.
 */
import { connect, type Socket } from 'node:net'
import { messageOf } from '../../errors/index.ts'
import { encodeFrame, type Frame, FrameReader } from './frames.ts'
import {
  decodeCredit,
  encodeJson,
  parseOpenRequest,
  reply,
  request,
  unsupportedExitCode,
} from './protocol.ts'
import type { Relay } from './relay.ts'

function main(line: Socket, RelayClass: typeof Relay): void {
  const relays = new Map<number, Relay>()
  const reader = new FrameReader()
  const write = joiningWriter(line)

  const open = ({ session, payload }: Frame): void => {
    const wanted = parseOpenRequest(payload)
    if (wanted === undefined || relays.has(session)) throw new Error(`session ${session} cannot be opened`)
    const relay = new RelayClass(wanted, {
      send: (type, bytes) => write(encodeFrame(session, type, bytes)),
      finish: (end) => {
        relays.delete(session)
        write(encodeFrame(session, reply.end, encodeJson(end)))
      },
    })
    relays.set(session, relay)
    void relay.open(wanted)
  }

  const handle = (frame: Frame): void => {
    if (frame.type === request.open) return open(frame)
    // A session that is over here is not yet over there.
    const relay = relays.get(frame.session)
    if (frame.type === request.stdin) relay?.stdin(frame.payload)
    if (frame.type === request.stdinEnd) relay?.stdinEnd()
    if (frame.type === request.credit) relay?.credit(decodeCredit(frame.payload))
    if (frame.type === request.close) {
      relay?.close()
      relays.delete(frame.session)
    }
  }

  line.on('data', (chunk: Buffer) => {
    for (const frame of reader.push(chunk)) handle(frame)
  })
}

/** What is written in one turn goes out in one system call, at its end. */
function joiningWriter(line: Socket): (bytes: Buffer) => void {
  let corked = false
  return (bytes) => {
    if (!corked) {
      corked = true
      line.cork()
      setImmediate(() => {
        corked = false
        line.uncork()
      })
    }
    line.write(bytes)
  }
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
// The launcher that reads it may die before us.
process.stderr.on('error', () => undefined)
try {
  // Not everywhere is there a build of the library that it needs.
  const { Relay: relayClass } = await import('./relay.ts')
  // Relative to the working directory, since the path may be longer than a socket's may be.
  const line = connect(process.argv[2] ?? '')
  for (const event of ['end', 'error', 'close']) line.on(event, () => process.exit(0))
  main(line, relayClass)
} catch (error) {
  process.stderr.write(messageOf(error))
  process.exitCode = unsupportedExitCode
}
