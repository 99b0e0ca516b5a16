/**
 * The replies that callers wait for. Every request gets exactly one; a request that only repeats one in flight joins
 * it, so that ten thousand stops cost one.
 */
import type { OciError } from '../errors/index.ts'
import type { RequestId, Verb } from '../machines/events.ts'

interface Request {
  readonly requestId: RequestId
  readonly verb: Verb
  readonly settled: Promise<void>
  resolve(): void
  reject(error: OciError): void
}

export interface RequestTicket {
  readonly requestId: RequestId
  readonly settled: Promise<void>
}

export class Requests {
  #lastId = 0
  /** In the order they were made. */
  readonly #open = new Map<RequestId, Request>()
  readonly #answering = new Set<Request>()

  /** A ticket for `verb`: that of the request it repeats, or a new one. */
  take(verb: Verb): RequestTicket {
    return this.#repeated(verb) ?? this.#add(verb)
  }

  /** The request is done; its caller hears of it when `ready` has resolved, whatever becomes of the others. */
  succeed(requestId: RequestId, ready: Promise<void>): void {
    const request = this.#remove(requestId)
    if (request === undefined) return
    this.#answering.add(request)
    void ready.finally(() => {
      this.#answering.delete(request)
      request.resolve()
    })
  }

  fail(requestId: RequestId, error: OciError): void {
    this.#remove(requestId)?.reject(error)
  }

  /** Nobody is left to reply. */
  rejectAll(error: OciError): void {
    for (const requestId of this.#open.keys()) this.fail(requestId, error)
  }

  /** Resolves when every request of now has its reply. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#open.values(), ...this.#answering].map((request) => request.settled))
  }

  #remove(requestId: RequestId): Request | undefined {
    const request = this.#open.get(requestId)
    this.#open.delete(requestId)
    return request
  }

  #repeated(verb: Verb): Request | undefined {
    const open = [...this.#open.values()]
    // A stop or delete that waits is never undone by what comes after it; a pause may be, by the unpause behind it.
    if (verb === 'stop' || verb === 'delete') return open.find((request) => request.verb === verb)
    const last = open.at(-1)
    return last?.verb === verb ? last : undefined
  }

  #add(verb: Verb): Request {
    this.#lastId += 1
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // A caller that aborted its wait must not turn a failure into an unhandled rejection.
    promise.catch(() => undefined)
    const request: Request = { requestId: this.#lastId, verb, settled: promise, resolve, reject }
    this.#open.set(request.requestId, request)
    return request
  }
}
