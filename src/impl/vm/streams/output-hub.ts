/**
 * Everybody who is attached to a container: each gets all of its output, and what they type is one input.
 *
 * Deliberately not here: a client's own streams and detach keys (attach-client), and the reading itself.
 */
import type { LogStream } from '../../../container-log/log-entry.ts'
import { OciError } from '../../../errors/index.ts'
import { HubClient, type HubEndReason } from './hub-client.ts'

/** Each costs memory for what waits for it. */
const clientsMax = 64
const bufferDefaultMaxBytes = 4 * 1024 * 1024

export interface HubInput {
  /** In the order of the calls. Calls back when the process's side has it, or never will. */
  write(chunk: Buffer, done: () => void): void
  /** A client says that it has no more input. */
  end(): void
  /** A client is gone. */
  left(): void
}

export interface HubOptions {
  readonly containerId: string
  readonly input: HubInput | undefined
  /** The container need not be held up any longer. */
  readonly onFree: () => void
}

export class OutputHub {
  readonly #options: HubOptions
  readonly #clients = new Set<HubClient>()
  #isOver = false

  constructor(options: HubOptions) {
    this.#options = options
  }

  get isHeldUp(): boolean {
    for (const client of this.#clients) if (client.holdsUp) return true
    return false
  }

  /** The chunk is copied, once for all. */
  push(stream: LogStream, chunk: Uint8Array): void {
    if (this.#clients.size === 0) return
    const copy = Buffer.from(chunk)
    for (const client of this.#clients) client.push(stream, copy)
  }

  /** Output from now on. Throws ERR_NOT_RUNNING when there will be none, ERR_BUSY. */
  join(bufferMaxBytes: number = bufferDefaultMaxBytes): HubClient {
    const { containerId, input, onFree } = this.#options
    const details = { containerId }
    if (this.#isOver) {
      const message = `container ${containerId} is not running: there is nothing to attach to`
      throw new OciError('ERR_NOT_RUNNING', message, details)
    }
    if (this.#clients.size >= clientsMax) {
      const message = `${clientsMax} clients are attached to container ${containerId} already`
      throw new OciError('ERR_BUSY', message, details)
    }
    const onLeft = (): void => {
      this.#clients.delete(client)
      input?.left()
    }
    const client = new HubClient({ bufferMaxBytes, input, onFree, onLeft })
    this.#clients.add(client)
    return client
  }

  end(reason: HubEndReason): void {
    this.#isOver = true
    for (const client of this.#clients) client.end(reason)
  }
}
