/**
 * A connection to the system's message bus: calls with their answers, and one kind of signal.
 *
 * Nothing here waits without a limit, and a peer that is mute, gone or talks nonsense ends the connection: every call
 * under way fails, nothing is repeated. Deliberately not here: reconnecting, which is for whoever needs a connection.
 */
import { createConnection, type Socket } from 'node:net'
import { errnoOf, isError, isOciError, messageOf, OciError } from '../../errors/index.ts'
import {
  decodeMessage,
  encodeMessage,
  type Message,
  messageLengthBytes,
  messageTypes,
  type Value,
} from './wire.ts'

export interface Call {
  readonly destination: string
  readonly path: string
  readonly interface: string
  readonly member: string
  readonly signature?: string
  readonly body?: readonly Value[]
}

/** What the other side answers. `refused` is the name of its error, such as `org.freedesktop.systemd1.UnitExists`. */
export type Answer =
  | { readonly refused: undefined; readonly body: readonly Value[] }
  | { readonly refused: string; readonly words: string }

export interface Bus {
  /** Rejects with ERR_TIMEOUT, and with ERR_IO when the connection has ended. */
  call(call: Call): Promise<Answer>
  readonly isOpen: boolean
  /** Whether it keeps this process alive. */
  hold(doesHold: boolean): void
  close(): void
}

export interface BusOptions {
  /** As in DBUS_SYSTEM_BUS_ADDRESS. */
  readonly address: string
  readonly onSignal: (message: Message) => void
  /** For connecting, and for every call. */
  readonly timeoutMs: number
}

export const systemBusAddress = 'unix:path=/run/dbus/system_bus_socket'
const lineMaxBytes = 4096
/** The bus itself. */
export const busObject = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const

/** The socket of the first address that is one: `unix:path=…` or `unix:abstract=…`. ERR_INVALID_ARGUMENT when there is none. */
export function socketPath(address: string): string {
  for (const each of address.split(';')) {
    const [, kind, escaped = ''] = /^unix:(?:[^;]*,)?(path|abstract)=([^,]+)/.exec(each) ?? []
    if (kind === undefined) continue
    const path = escaped.replaceAll(/%([0-9a-f]{2})/gi, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    )
    return kind === 'abstract' ? `\0${path}` : path
  }
  const message = `DBUS_SYSTEM_BUS_ADDRESS must name a Unix socket (unix:path=…), not ${JSON.stringify(address)}`
  throw new OciError('ERR_INVALID_ARGUMENT', message, { field: 'DBUS_SYSTEM_BUS_ADDRESS' })
}

/** Connected, authenticated and greeted. ERR_IO with the socket as its file, ERR_TIMEOUT. */
export async function connectBus(options: BusOptions): Promise<Bus> {
  const bus = new Connection(socketPath(options.address), options)
  await bus.open()
  return bus
}

interface Pending {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

class Connection implements Bus {
  readonly #path: string
  readonly #options: BusOptions
  readonly #socket: Socket
  readonly #calls = new Map<number, Pending>()
  #received: Buffer = Buffer.alloc(0)
  #serial = 0
  #ended: OciError | undefined
  #authenticated: { resolve: () => void; reject: (error: Error) => void } | undefined

  constructor(path: string, options: BusOptions) {
    this.#path = path
    this.#options = options
    this.#socket = createConnection({ path })
    this.#socket.on('error', (error) => this.#end(error))
    this.#socket.on('close', () => this.#end(undefined))
    this.#socket.on('data', (bytes: Buffer) => this.#receive(bytes))
  }

  async open(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      this.#end(this.#mute('does not answer'))
    }, this.#options.timeoutMs)
    this.#authenticated = { resolve, reject }
    // The user is whoever the kernel says that has connected; the number is a formality.
    const uid = Buffer.from(String(process.getuid?.() ?? 0)).toString('hex')
    this.#socket.write(`\0AUTH EXTERNAL ${uid}\r\n`)
    try {
      await promise
    } finally {
      clearTimeout(timer)
      this.#authenticated = undefined
    }
    this.#socket.write('BEGIN\r\n')
    const hello = await this.call({ ...busObject, member: 'Hello' })
    if (hello.refused !== undefined) this.#end(ioErrorAt(this.#path, hello.words))
    if (this.#ended !== undefined) throw this.#ended
  }

  get isOpen(): boolean {
    return this.#ended === undefined
  }

  call(call: Call): Promise<Answer> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    this.#serial += 1
    const serial = this.#serial
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const timer = setTimeout(() => {
      this.#calls.delete(serial)
      reject(this.#mute(`has not answered ${call.member}`))
    }, this.#options.timeoutMs)
    this.#calls.set(serial, { resolve, reject, timer })
    this.#socket.write(encodeMessage({ type: messageTypes.call, serial, ...call }))
    return promise
  }

  hold(doesHold: boolean): void {
    if (doesHold) this.#socket.ref()
    else this.#socket.unref()
  }

  close(): void {
    this.#end(undefined)
  }

  #mute(what: string): OciError {
    const message = `the system bus at ${this.#path} ${what} within ${this.#options.timeoutMs} ms`
    return new OciError('ERR_TIMEOUT', message, { file: this.#path })
  }

  /** The first reason counts. */
  #end(reason: Error | undefined): void {
    this.#ended ??= this.#reasonOf(reason)
    this.#socket.destroy()
    this.#authenticated?.reject(this.#ended)
    for (const { reject, timer } of this.#calls.values()) {
      clearTimeout(timer)
      reject(this.#ended)
    }
    this.#calls.clear()
  }

  #reasonOf(reason: Error | undefined): OciError {
    if (isOciError(reason)) return reason
    return ioErrorAt(this.#path, errnoOf(reason) ?? reason?.message ?? 'the connection has ended', reason)
  }

  #receive(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
    try {
      if (this.#authenticated !== undefined) this.#readLine()
      else this.#readMessages()
    } catch (error) {
      this.#end(isError(error) ? error : new Error(messageOf(error)))
    }
  }

  #readLine(): void {
    const end = this.#received.indexOf('\r\n')
    if (end < 0 && this.#received.length < lineMaxBytes) return
    const line = this.#received.toString('latin1', 0, Math.max(end, 0))
    if (!line.startsWith('OK ')) throw ioErrorAt(this.#path, `it does not let us in (${line.slice(0, 100)})`)
    this.#received = this.#received.subarray(end + 2)
    this.#authenticated?.resolve()
  }

  #readMessages(): void {
    for (;;) {
      const lengthBytes = messageLengthBytes(this.#received)
      if (lengthBytes === undefined || this.#received.length < lengthBytes) return
      const message = decodeMessage(this.#received.subarray(0, lengthBytes))
      this.#received = this.#received.subarray(lengthBytes)
      this.#take(message)
    }
  }

  #take(message: Message): void {
    if (message.type === messageTypes.signal) {
      this.#options.onSignal(message)
      return
    }
    const pending = this.#calls.get(message.replySerial ?? 0)
    if (pending === undefined) return
    this.#calls.delete(message.replySerial ?? 0)
    clearTimeout(pending.timer)
    const [words] = message.body ?? []
    if (message.type === messageTypes.reply) pending.resolve({ refused: undefined, body: message.body ?? [] })
    else pending.resolve({ refused: message.errorName ?? '', words: typeof words === 'string' ? words : '' })
  }
}

function ioErrorAt(file: string, why: string, cause?: unknown): OciError {
  const message = `the system bus at ${file} cannot be spoken with: ${why}`
  return new OciError('ERR_IO', message, { file, cause })
}
