/**
 * One attached client as the hub sees it: output that waits for it, up to a limit; when that is reached the container is
 * held up for a moment (attach-client/hold-up.ts), and then the client is dropped.
 */
import { Readable, Writable } from 'node:stream'
import type { LogStream } from '../../../container-log/log-entry.ts'
import { HoldUp } from '../../attach-client/hold-up.ts'
import type { StreamSession } from '../../attach-client/client-streams.ts'
import type { AttachEnd } from '../../attach-port.ts'
import type { HubInput } from './output-hub.ts'

/** A small chunk takes up more than its bytes. */
const chunkOverheadBytes = 256
/** After the container's end: how long a client may take nothing before it counts as one that never will. */
const stalledMaxMs = 10_000

export type HubEndReason = 'exited' | 'lost' | 'closed'

export interface HubClientOptions {
  readonly bufferMaxBytes: number
  /** Undefined: there is no stdin, or it is over. */
  readonly input: HubInput | undefined
  /** It need not hold up the container any more, or has left. */
  readonly onFree: () => void
  readonly onLeft: () => void
}

export class HubClient implements StreamSession {
  readonly stdout: WaitingOutput
  readonly stderr: WaitingOutput
  readonly stdin: Writable
  readonly ended: Promise<{ readonly reason: AttachEnd['reason'] }>
  readonly #options: HubClientOptions
  readonly #ended = Promise.withResolvers<{ readonly reason: AttachEnd['reason'] }>()
  readonly #holdUp: HoldUp
  #waitingBytes = 0
  #isOver = false
  #stalled: NodeJS.Timeout | undefined

  constructor(options: HubClientOptions) {
    this.#options = options
    this.ended = this.#ended.promise
    this.#holdUp = new HoldUp(() => this.#finish('dropped'))
    const onTaken = (bytes: number): void => this.#taken(bytes)
    this.stdout = new WaitingOutput(onTaken)
    this.stderr = new WaitingOutput(onTaken)
    this.stdin = inputOf(options.input)
  }

  get holdsUp(): boolean {
    return this.#holdUp.isOn
  }

  push(stream: LogStream, chunk: Buffer): void {
    if (this.#isOver) return
    this.#waitingBytes += costBytes(chunk)
    this[stream].arrived(chunk)
    if (this.#waitingBytes >= this.#options.bufferMaxBytes) this.#holdUp.begin()
  }

  /** There is no more output. What waits is still the client's. */
  end(reason: HubEndReason): void {
    if (this.#isOver) return
    if (reason !== 'exited') return this.#finish(reason)
    this.#holdUp.end()
    this.#stalled = setTimeout(() => this.#finish('dropped'), stalledMaxMs)
    this.#finishIfEmpty()
  }

  close(): void {
    this.#finish('closed')
  }

  #taken(bytes: number): void {
    this.#waitingBytes -= bytes
    if (this.#stalled !== undefined) {
      this.#stalled.refresh()
      this.#finishIfEmpty()
    } else if (this.#holdUp.isOn && this.#waitingBytes < this.#options.bufferMaxBytes) {
      this.#holdUp.end()
      this.#options.onFree()
    }
  }

  #finishIfEmpty(): void {
    if (this.#waitingBytes === 0) this.#finish('exited')
  }

  #finish(reason: AttachEnd['reason']): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#holdUp.end()
    clearTimeout(this.#stalled)
    this.stdout.end()
    this.stderr.end()
    this.stdin.destroy()
    this.#options.onLeft()
    this.#options.onFree()
    this.#ended.resolve({ reason })
  }
}

function costBytes(chunk: Buffer): number {
  return chunk.length + chunkOverheadBytes
}

function inputOf(input: HubInput | undefined): Writable {
  const stdin = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (input === undefined) return done()
      // What comes too late is of no use to a process that does not read any more.
      input.write(chunk, () => done())
    },
    final: (done) => {
      input?.end()
      done()
    },
  })
  return stdin.on('error', () => undefined)
}

/** Output that waits until it is read, in chunks that several clients share. */
class WaitingOutput extends Readable {
  readonly #onTaken: (bytes: number) => void
  #waiting: Buffer[] = []
  #wants = false

  constructor(onTaken: (bytes: number) => void) {
    super()
    this.#onTaken = onTaken
  }

  arrived(chunk: Buffer): void {
    this.#waiting.push(chunk)
    this.#pass()
  }

  /** What has not been read by now is not wanted any more. */
  end(): void {
    this.#waiting = []
    this.push(null)
  }

  override _read(): void {
    this.#wants = true
    this.#pass()
  }

  #pass(): void {
    let count = 0
    let bytes = 0
    for (const chunk of this.#waiting) {
      if (!this.#wants) break
      count += 1
      bytes += costBytes(chunk)
      this.#wants = this.push(chunk)
    }
    if (count === 0) return
    this.#waiting.splice(0, count)
    this.#onTaken(bytes)
  }
}
