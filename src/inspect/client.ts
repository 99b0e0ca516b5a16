/**
 * One watcher's connection. It is written to only; what it sends is thrown away unread. Its memory is bounded: who does
 * not read fast enough is dropped, and gets a full picture when it comes again.
 */
/** Bytes that may wait for one client. */
export const waitingBytesMax = 4 * 1024 * 1024
/** Messages of a client that are ignored before it is sent away. */
const messagesIgnoredMax = 100
const policyViolation = 1008
const pingEveryMs = 15_000

/** What is used of a WebSocket of `ws`, whose types are no dependency of this package's types. */
export interface ClientSocket {
  readonly bufferedAmount: number
  send(text: string, sent?: () => void): void
  ping(): void
  close(code: number, reason: string): void
  terminate(): void
  on(event: 'pong' | 'message' | 'error' | 'close', listener: () => void): unknown
}

export class Client {
  readonly #socket: ClientSocket
  readonly #ended = new AbortController()
  #messages = 0
  #answered = true

  constructor(socket: ClientSocket) {
    this.#socket = socket
    const look = (): void => {
      if (this.ended.aborted) return
      if (!this.#answered) this.drop()
      this.#answered = false
      socket.ping()
    }
    // After a stall of the event loop an answer that has arrived is read first.
    const ping = setInterval(() => setImmediate(look), pingEveryMs).unref()
    socket.on('pong', () => {
      this.#answered = true
    })
    socket.on('message', () => {
      this.#messages += 1
      if (this.#messages > messagesIgnoredMax) socket.close(policyViolation, 'this connection is read-only')
    })
    // A broken connection closes, too.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearInterval(ping)
      this.#ended.abort()
    })
  }

  /** Aborted when the connection is over. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  send(text: string): void {
    if (this.ended.aborted) return
    if (this.#socket.bufferedAmount + text.length > waitingBytesMax) this.drop()
    else this.#socket.send(text)
  }

  /** Resolves when it has left this process, or never will: the next part of something large may follow. */
  sendAndWait(text: string): Promise<void> {
    if (this.ended.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      this.ended.addEventListener('abort', () => resolve(), { once: true })
      this.#socket.send(text, () => resolve())
    })
  }

  /** Says good-bye. */
  close(code = 1000, reason = ''): void {
    this.#socket.close(code, reason)
  }

  /** Without good-bye: it would wait behind everything that was not read. */
  drop(): void {
    this.#socket.terminate()
  }
}
