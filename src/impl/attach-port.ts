/** What attaching takes and gives, for every implementation that can do it. Types only. */
import type { Readable, Writable } from 'node:stream'
import type { Observable } from 'rxjs'
import type { TerminalSize } from './terminal-size.ts'

/** None of the streams is ever ended or destroyed by us. */
export interface AttachOptions {
  /**
   * Its end half-closes the container's stdin, as far as the container was made for that: `stdinOnce`. Read and thrown
   * away where the container has no stdin.
   */
  readonly stdin?: Readable | undefined
  /** Without it the container's output is read and thrown away. */
  readonly stdout?: Writable | undefined
  /** A terminal has none: everything is on stdout. */
  readonly stderr?: Writable | undefined
  /** Default: whether the container has a terminal. Anything else is ERR_INVALID_ARGUMENT. */
  readonly tty?: boolean | undefined
  /**
   * Sizes of the terminal. The first one, if it comes at once, is in force when attaching is done; of sizes that come
   * faster than they can be set only the last one counts. Ignored without a terminal.
   */
  readonly resize$?: Observable<TerminalSize> | undefined
  /**
   * The keys that end the session and leave the container alone, as docker writes them: `ctrl-p,ctrl-q`, `ctrl-@`, `a`.
   * Default with a terminal `ctrl-p,ctrl-q`, without one none. Empty: none.
   */
  readonly detachKeys?: string | undefined
  /** How much output may wait for a client that is slow before it is dropped. Default 4 MiB. */
  readonly bufferMaxBytes?: number | undefined
}

export interface AttachEnd {
  readonly reason:
    /** The container has ended; all its output was written. */
    | 'exited'
    /** By the detach keys. */
    | 'detached'
    /** By `close`, by the AbortSignal, or because the runtime was closed. */
    | 'closed'
    /** The client did not take the output, so that it would have held up the container. Output was lost to it. */
    | 'dropped'
    /** What carries the session died (the attach helper, the shim). The container goes on. */
    | 'lost'
    /** One of the client's own streams failed or was closed; `error` says how. */
    | 'streamFailed'
  readonly error: Error | undefined
}

export interface AttachSession {
  /** Settles when the session is over. Never rejects. Who has asked for it keeps this process alive until then. */
  readonly ended: Promise<AttachEnd>
  /**
   * Ends the session. The container goes on, but without `leave-stdin-open` (a container with `stdinOnce`) its stdin
   * ends, as it does with any client that leaves.
   */
  close(): void
}
