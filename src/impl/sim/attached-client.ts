/**
 * One client of a simulated container's streams, as its monitor sees it: what the client has not taken yet waits here, up
 * to a limit; then the monitor waits for it, for a moment, and then drops it.
 */
import { Readable, Writable } from 'node:stream'
import type { Clock } from '../../surroundings/clock.ts'
import type { StreamSession } from '../attach-client/client-streams.ts'
import { HoldUp } from '../attach-client/hold-up.ts'

export type OutputName = 'stdout' | 'stderr'

export interface AttachedClientOptions {
  readonly clock: Clock
  /** Default 4 MiB. */
  readonly bufferMaxBytes: number | undefined
  /** The container's; undefined when it has none. */
  readonly stdin: Writable | undefined
  /** Whether the client's end of input is the container's. */
  readonly endsInput: boolean
  onLeft(): void
}

const bufferDefaultMaxBytes = 4 * 1024 * 1024

type Reason = 'exited' | 'dropped' | 'closed'

export class AttachedClient implements StreamSession {
  readonly stdout: Readable
  readonly stderr: Readable
  readonly stdin: Writable
  readonly ended: Promise<{ readonly reason: Reason }>
  readonly #options: AttachedClientOptions
  readonly #ended = Promise.withResolvers<{ readonly reason: Reason }>()
  readonly #holdUp: HoldUp
  /** Who waits for it. */
  readonly #heldUp: (() => void)[] = []
  #over = false

  constructor(options: AttachedClientOptions) {
    this.#options = options
    this.ended = this.#ended.promise
    this.#holdUp = new HoldUp(() => this.finish('dropped'), options.clock)
    // Asked while the bytes that are being read are still there.
    const read = (): void => process.nextTick(() => this.#release())
    this.stdout = new Readable({ read })
    this.stderr = new Readable({ read })
    this.stdin = this.#input()
  }

  /** False when more waits for the client than may. */
  take(name: OutputName, chunk: Buffer): boolean {
    if (this.#over) return true
    this[name].push(chunk)
    return !this.#isBehind
  }

  /** Resolves when it has taken enough, has left, or is dropped because it does neither. */
  caughtUp(): Promise<void> {
    this.#holdUp.begin()
    return new Promise((resolve) => this.#heldUp.push(resolve))
  }

  close(): void {
    this.finish('closed')
  }

  finish(reason: Reason): void {
    if (this.#over) return
    this.#over = true
    this.stdout.push(null)
    this.stderr.push(null)
    this.stdin.destroy()
    this.#options.onLeft()
    this.#release()
    this.#ended.resolve({ reason })
  }

  #input(): Writable {
    const { stdin, endsInput } = this.#options
    const input = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (stdin === undefined || stdin.destroyed || stdin.writableEnded) done()
        // A write to a pipe that breaks meanwhile is an error of the container's, not of the client's.
        else stdin.write(chunk, () => done())
      },
      final: (done) => {
        if (endsInput) stdin?.end()
        done()
      },
    })
    input.on('error', () => undefined)
    return input
  }

  get #isBehind(): boolean {
    const waitingBytes = this.stdout.readableLength + this.stderr.readableLength
    return waitingBytes > (this.#options.bufferMaxBytes ?? bufferDefaultMaxBytes)
  }

  #release(): void {
    if (!this.#over && this.#isBehind) return
    this.#holdUp.end()
    for (const resolve of this.#heldUp.splice(0)) resolve()
  }
}
