/**
 * One session in the helper: a connection to a monitor on one side, frames on the other.
 *
 * Invariant: the monitor is read, whatever the client does. A conmon that cannot write to a client stops altogether: log,
 * other clients, exit file (cri-o#7945). So what the supervisor has no credit for waits here; when as much waits as may,
 * the monitor is held up for a moment (attach-client/hold-up.ts), and then the client is dropped.
 *
 * The monitor of an exec serves that one client only. There it is the other way round: `whole` holds it up for as long as
 * it takes, which slows the command down, and nothing is dropped.
 */
import { statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { errnoOf, messageOf } from '../../errors/index.ts'
import { HoldUp } from '../attach-client/hold-up.ts'
import { costBytes, type OpenRequest, reply, type SessionEnd, windowBytes } from './protocol.ts'
import { connectSeqpacket, type Seqpacket } from './seqpacket.ts'

export interface RelayClient {
  send(type: number, payload?: Buffer): void
  /** The last word; nothing is sent afterwards. */
  finish(end: SessionEnd): void
}

interface Waiting {
  readonly type: number
  readonly payload: Buffer
}

/** First byte of a message from conmon. */
const streamTypes: ReadonlyMap<number, number> = new Map([
  [2, reply.stdout],
  [3, reply.stderr],
])

/** Messages per turn of the event loop, so that no session keeps it from the others. */
const burstMax = 32

/** conmon accepts a dozen connections in advance. When it is busy the next one has to come again. */
const connectAttemptsMax = 10
const connectPauseMs = 50

/** After the container's end: how long a client may take nothing before it counts as one that never will. */
const stalledMaxMs = 10_000

export class Relay {
  readonly #client: RelayClient
  readonly #bufferMaxBytes: number
  readonly #whole: boolean
  readonly #holdUp: HoldUp
  #monitor: Seqpacket | undefined
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #creditBytes = windowBytes
  #ended = false
  #over = false
  #stalled: NodeJS.Timeout | undefined

  constructor({ bufferMaxBytes, whole }: Pick<OpenRequest, 'bufferMaxBytes' | 'whole'>, client: RelayClient) {
    this.#bufferMaxBytes = bufferMaxBytes
    this.#whole = whole
    this.#client = client
    const drop = () => this.#drop(`${bufferMaxBytes} bytes of output waited for the client`)
    this.#holdUp = new HoldUp(whole ? undefined : drop)
  }

  async open({ directory, socket }: Pick<OpenRequest, 'directory' | 'socket'>): Promise<void> {
    for (let attempt = 1; !this.#over; attempt += 1) {
      const why = this.#connect(directory, socket)
      if (why === undefined || this.#over) return
      if (why.reason === 'absent' || attempt === connectAttemptsMax) return this.#finish(why)
      await delay(connectPauseMs)
    }
  }

  /** Passes one message of input on. */
  stdin(message: Buffer): void {
    if (message.length === 0) return
    this.#monitor?.write(message, () => this.#over || this.#client.send(reply.written))
  }

  stdinEnd(): void {
    this.#monitor?.end()
  }

  credit(bytes: number): void {
    this.#creditBytes += bytes
    this.#stalled?.refresh()
    this.#sendWaiting()
    if (!this.#holdUp.isOn || this.#waitingBytes >= this.#bufferMaxBytes) return
    this.#holdUp.end()
    this.#readOn()
  }

  close(): void {
    this.#over = true
    this.#holdUp.end()
    clearTimeout(this.#stalled)
    this.#monitor?.close()
    this.#waiting = []
  }

  /** Undefined: connected. */
  #connect(directory: string, socket: string): SessionEnd | undefined {
    try {
      // Asked for separately: the library's error cannot be told from one for a missing file. Synchronous, as libuv would
      // end this process, and with it every client's session, where there is no room for its threads.
      const found = statSync(`${directory}/${socket}`)
      if (!found.isSocket()) return { reason: 'absent', message: 'it is not a socket' }
      this.#monitor = connectSeqpacket(directory, socket, { onReadable: () => this.#readOn() })
      this.#client.send(reply.opened)
      this.#monitor.whenReadable()
      return undefined
    } catch (error) {
      const absent = errnoOf(error) === 'ENOENT'
      const message = messageOf(error)
      return { reason: absent ? 'absent' : 'refused', message }
    }
  }

  #readOn(): void {
    for (let count = 0; count < burstMax; count += 1) {
      const monitor = this.#monitor
      if (this.#over || this.#ended || monitor === undefined) return
      if (this.#waitingBytes >= this.#bufferMaxBytes) return this.#holdUp.begin()
      const message = monitor.read()
      if (message === 'end') return this.#monitorEnded()
      if (message === undefined) return monitor.whenReadable()
      this.#take(message)
    }
    setImmediate(() => this.#readOn())
  }

  #take(message: Buffer): void {
    const type = streamTypes.get(message[0] ?? 0)
    if (type === undefined || message.length === 1) return
    const payload = message.subarray(1)
    this.#waiting.push({ type, payload })
    this.#waitingBytes += costBytes(payload)
    this.#sendWaiting()
  }

  #sendWaiting(): void {
    let sent = 0
    for (const { type, payload } of this.#waiting) {
      const cost = costBytes(payload)
      if (cost > this.#creditBytes || this.#over) break
      this.#creditBytes -= cost
      this.#waitingBytes -= cost
      this.#client.send(type, payload)
      sent += 1
    }
    if (sent > 0) this.#waiting.splice(0, sent)
    if (this.#ended && this.#waiting.length === 0) {
      this.#finish({ reason: 'exited', message: 'the monitor closed the connection' })
    }
  }

  #monitorEnded(): void {
    this.#ended = true
    // No more is to come than waits here: the supervisor may as well have it.
    if (this.#whole) this.#creditBytes = Infinity
    else
      this.#stalled = setTimeout(
        () => this.#drop(`the client took nothing for ${stalledMaxMs} ms`),
        stalledMaxMs,
      )
    this.#sendWaiting()
  }

  #drop(message: string): void {
    this.#finish({ reason: 'dropped', message })
  }

  #finish(end: SessionEnd): void {
    if (this.#over) return
    this.close()
    this.#client.finish(end)
  }
}
