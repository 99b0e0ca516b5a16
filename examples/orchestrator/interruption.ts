/** What ends the demo early. Signal handlers are the embedder's business: the library never installs any. */
import { constants } from 'node:os'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
type Cause = (typeof signals)[number] | 'SIGPIPE'

export class Interruption {
  readonly #stop = new AbortController()
  #cause: Cause | undefined

  constructor() {
    // Again and again: an impatient second Ctrl-C must not end us before the containers are gone.
    for (const name of signals) process.on(name, () => this.#interrupt(name))
    // The reader of our output may leave (`| head`). That is a reason to stop, not to crash and leave containers behind.
    process.stdout.on('error', () => this.#interrupt('SIGPIPE'))
  }

  /** Aborted when it is time to stop. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** What ended the demo, or undefined when nothing did. */
  get cause(): string | undefined {
    return this.#cause
  }

  /** The exit code of a process that was ended so (130 for Ctrl-C), or undefined when it was not. */
  get exitCode(): number | undefined {
    return this.#cause === undefined ? undefined : 128 + constants.signals[this.#cause]
  }

  #interrupt(cause: Cause): void {
    this.#cause ??= cause
    this.#stop.abort()
  }
}
