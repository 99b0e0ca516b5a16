/** One attach session as the supervisor sees it: two streams out of the container, one into it. */
import { Readable, Writable } from 'node:stream'
import { OciError } from '../../errors/index.ts'
import type { Frame } from './frames.ts'
import {
  costBytes,
  encodeCredit,
  parseSessionEnd,
  reply,
  request,
  type SessionEnd,
  stdinMessageMaxBytes,
  windowBytes,
} from './protocol.ts'

export interface BridgeEnd {
  /** `lost`: the helper died. `closed`: we closed the session. The rest is in protocol.ts. */
  readonly reason: SessionEnd['reason'] | 'lost' | 'closed'
  readonly message: string
}

export interface BridgeSession {
  /** Both have to be read, or told to `resume`: they share one allowance. They end with the session. */
  readonly stdout: Readable
  readonly stderr: Readable
  /** Calls a write back when the monitor has it. `end` half-closes. */
  readonly stdin: Writable
  /** Of output, so far. */
  readonly receivedBytes: number
  /** Never rejects. Resolves when the session is over, also while output still waits to be read. */
  readonly ended: Promise<BridgeEnd>
  /** Has everything come that waits on the other side, up to {@link hurriedMaxBytes}, although it is not read yet. */
  hurry(): void
  close(): void
}

/** Credit is given back in lumps of this. */
const creditLumpBytes = windowBytes / 4
const hurriedMaxBytes = 4 * 1024 * 1024

export class Session implements BridgeSession {
  readonly stdout: Output
  readonly stderr: Output
  readonly stdin: Writable
  readonly opened: Promise<void>
  readonly ended: Promise<BridgeEnd>
  readonly #send: (type: number, payload?: Buffer) => void
  readonly #whole: boolean
  readonly #opened = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<BridgeEnd>()
  #end: BridgeEnd | undefined
  #takenBytes = 0
  #receivedBytes = 0
  #written: ((error?: Error) => void) | undefined

  constructor(send: (type: number, payload?: Buffer) => void, whole: boolean) {
    this.#send = send
    this.#whole = whole
    this.opened = this.#opened.promise
    this.ended = this.#ended.promise
    const taken = (bytes: number) => this.#taken(bytes)
    this.stdout = new Output(taken)
    this.stderr = new Output(taken)
    this.stdin = this.#input()
    // Whoever waits for neither need not know of a failure.
    this.opened.catch(() => undefined)
  }

  get receivedBytes(): number {
    return this.#receivedBytes
  }

  get isOver(): boolean {
    return this.#end !== undefined
  }

  take({ type, payload }: Frame): void {
    if (this.#end !== undefined) return
    if (type === reply.stdout || type === reply.stderr) {
      this.#receivedBytes += payload.length
      const output = type === reply.stdout ? this.stdout : this.stderr
      output.arrived(payload)
    }
    if (type === reply.written) this.#writeDone()
    if (type === reply.opened) this.#opened.resolve()
    if (type === reply.end) {
      this.finish(parseSessionEnd(payload) ?? { reason: 'lost', message: 'the helper sent what is no reply' })
    }
  }

  hurry(): void {
    if (this.#end === undefined) this.#send(request.credit, encodeCredit(hurriedMaxBytes))
  }

  close(): void {
    if (this.#end !== undefined) return
    this.#send(request.close)
    this.finish({ reason: 'closed', message: 'the session was closed' })
  }

  finish(end: BridgeEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#opened.reject(new OciError('ERR_NOT_RUNNING', end.message))
    const isCut = this.#whole && end.reason === 'lost'
    for (const output of [this.stdout, this.stderr]) output.over(isCut ? end.message : undefined)
    this.stdin.destroy()
    this.#writeDone()
    this.#ended.resolve(end)
  }

  #input(): Writable {
    const input = new Writable({
      highWaterMark: stdinMessageMaxBytes,
      write: (chunk: Buffer, _encoding, done) => this.#write(chunk, done),
      final: (done) => {
        if (this.#end === undefined) this.#send(request.stdinEnd)
        done()
      },
    })
    // What is written too late is of no use to a container that is gone.
    input.on('error', () => undefined)
    return input
  }

  #write(chunk: Buffer, done: (error?: Error | null) => void): void {
    if (this.#end !== undefined || chunk.length === 0) return done()
    this.#written = () => this.#write(chunk.subarray(stdinMessageMaxBytes), done)
    this.#send(request.stdin, chunk.subarray(0, stdinMessageMaxBytes))
  }

  #writeDone(): void {
    const written = this.#written
    this.#written = undefined
    written?.()
  }

  #taken(bytes: number): void {
    this.#takenBytes += bytes
    if (this.#takenBytes < creditLumpBytes || this.#end !== undefined) return
    this.#send(request.credit, encodeCredit(this.#takenBytes))
    this.#takenBytes = 0
  }
}

/** Gives credit back for what has been read, not for what has arrived. */
class Output extends Readable {
  readonly #taken: (bytes: number) => void
  #heldBytes = 0

  constructor(taken: (bytes: number) => void) {
    super()
    this.#taken = taken
    // Without a listener an output that is cut short would end the embedder's process.
    this.on('error', () => undefined)
  }

  /** Nothing more comes; with an error when that is not the end. */
  over(why: string | undefined): void {
    if (why === undefined) this.push(null)
    else this.destroy(new OciError('ERR_LAUNCHER_LOST', `the rest of the output is lost: ${why}`))
  }

  arrived(payload: Buffer): void {
    this.#heldBytes += costBytes(payload)
    if (this.destroyed || this.push(payload)) this.#release()
  }

  /** What comes for a reader that has left is dropped, so that the other output goes on. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#release()
    done(error)
  }

  override _read(): void {
    this.#release()
  }

  #release(): void {
    const bytes = this.#heldBytes
    this.#heldBytes = 0
    if (bytes > 0) this.#taken(bytes)
  }
}
