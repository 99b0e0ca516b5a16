/**
 * What the verbs of RuntimeVM see of a process's streams. Nobody like conmon stands between a shim and us: we write the
 * log and keep the attached clients. Types only.
 */
import type { Readable, Writable } from 'node:stream'
import type { Logger } from '../../../surroundings/logger.ts'
import type { AttachOptions, AttachSession } from '../../attach-port.ts'
import type { TerminalSize } from '../../terminal-size.ts'

export interface StreamsWorld {
  readonly logger: Logger
  /** Fresh FIFOs of mode 0600, on the file system of the streams' directories; they belong to the caller. ExecHome fits. */
  readonly fifos: { takeFifos(count: number): Promise<string[]> }
}

/** What only the shim can do about a stream. */
export interface StreamControl {
  /** CloseIO. Called at most once, after our end of stdin is closed, and never without a FIFO for stdin. */
  closeStdin(): Promise<void>
  /** ResizePty. The next size is given when this one is set; of sizes that come faster only the last. */
  resize(size: TerminalSize): Promise<void>
}

/** As CreateTaskRequest and ExecProcessRequest want them: '' where there is none. */
export interface StreamPaths {
  readonly stdin: string
  readonly stdout: string
  readonly stderr: string
}

export interface ContainerStreamsSpec {
  readonly containerId: string
  /** Of these FIFOs alone, absolute and short; made (0700) when it is missing. */
  readonly directory: string
  readonly terminal: boolean
  /** A terminal has one in any case. */
  readonly stdin: boolean
  /** Stdin ends with the first client that leaves. Ignored with a terminal. */
  readonly stdinOnce: boolean
  readonly logPath: string
  /** At this size the log is dropped and begun anew, as conmon does. Negative: no limit. */
  readonly logSizeMaxBytes: number
}

export interface ContainerStreams {
  readonly paths: StreamPaths
  /** How much output is missing in the log, because the disk refused it or took too long. */
  readonly lostBytes: number
  /** Call right before Start is sent: stdin is opened as soon as the shim has its end open. */
  starting(): void
  /** Call when Start was answered: from now on the end of an output is its end. */
  started(): void
  /**
   * As {@link AttachOptions} says. Rejects with ERR_INVALID_ARGUMENT, ERR_NOT_RUNNING when the streams are over,
   * ERR_BUSY when there are too many clients, ERR_ABORTED.
   */
  attach(options: AttachOptions, signal: AbortSignal): Promise<AttachSession>
  /**
   * Goes on in a new file at the log's path, from where the old one was renamed. Rejects with ERR_INVALID_ARGUMENT (field
   * `logPath`) when a log would be lost or the new one cannot be made, ERR_TIMEOUT, ERR_ABORTED, ERR_CLOSED, ERR_IO.
   */
  reopenLog(signal: AbortSignal): Promise<void>
  /**
   * The process has exited: reads what is left, to the end or for `limitMs` (a child may keep an output open), writes the
   * log out, and ends the clients as `exited`. True when every output came to its end. Never rejects.
   */
  drain(limitMs: number): Promise<boolean>
  /** The shim died: clients end as `lost`, what the pipes hold is logged. Never rejects. */
  lose(): Promise<void>
  /** We leave, the container goes on: what was read is logged, the rest stays in the pipes. Never rejects. */
  close(): Promise<void>
}

export interface ExecStreamsSpec {
  readonly containerId: string
  /** Of these FIFOs alone, absolute and short; made (0700) when it is missing, removed with the command. */
  readonly directory: string
  readonly terminal: boolean
  readonly stdin: boolean
  readonly stdout: boolean
  /** A terminal has none. */
  readonly stderr: boolean
}

/** The streams of one command as ExecSession has them: with real back-pressure. */
export interface ExecPipes {
  /** Its end is the command's end of file. Its errors (EPIPE) mean that nobody reads any more. */
  readonly stdin: Writable | undefined
  readonly stdout: Readable | undefined
  readonly stderr: Readable | undefined
}

export interface ExecStreams {
  readonly paths: StreamPaths
  /** Call right before Start is sent. */
  starting(): void
  /** Call once, when Start was answered. */
  started(): ExecPipes
  /**
   * The command has ended: stdin is closed, and an output ends when it is drained or when it was quiet for `quietMs` while
   * it was read (a child may keep it open). Resolves when the FIFOs are removed; never rejects.
   */
  exited(quietMs: number): Promise<void>
  /** Nobody is at our end any more: stdin ends, outputs are read and thrown away, so that the command goes on. */
  discard(): void
  /** It was never started: everything is closed and removed. Never rejects. */
  close(): Promise<void>
}
