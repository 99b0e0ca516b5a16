/**
 * The effect port for commands in a running container, beside the one for the container's own life (runtime-impl.ts).
 *
 * Architecture invariant: implementations know nothing of the container's state. Whether a command may be run now, and
 * that none is started once killing has begun, is the machine's to say; that a container's commands have ended before
 * its exit is published, too.
 */
import type { Readable, Writable } from 'node:stream'
import type { Observable } from 'rxjs'
import type { Container } from '../container.ts'
import { OciError, type ErrorCode, type OciErrorDetails } from '../errors/index.ts'
import type { TerminalSize } from './terminal-size.ts'

/** Ids inside the container. */
export interface ExecUser {
  readonly uid: number
  readonly gid: number
  readonly additionalGids?: readonly number[] | undefined
}

/** What is run and as whom. What is left out is as in the container's own spec. */
export interface ExecCommand {
  readonly argv: readonly string[]
  /** Beside the container's; the same name replaces. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Absolute, inside the container. */
  readonly cwd?: string | undefined
  /**
   * `uid`, `uid:gid`, `name` or `name:group`, looked up in /etc/passwd and /etc/group as the container sees them; or ids from
   * 0 to 4294967294. The container's own additional groups are not another user's.
   */
  readonly user?: string | ExecUser | undefined
  /** Beside those that the user has. */
  readonly additionalGids?: readonly number[] | undefined
}

export interface ExecSyncRequest extends ExecCommand {
  /** From the call, its start included. Undefined: no limit. */
  readonly timeoutMs?: number | undefined
  /** Of stdout and of stderr, each. Default {@link execOutputDefaultMaxBytes}. */
  readonly outputMaxBytes?: number | undefined
  /** How long output is read after the process has ended. Default {@link execDrainDefaultMs}. */
  readonly drainMs?: number | undefined
}

/** Parity: CRI-O's maxExecSyncSize. */
export const execOutputDefaultMaxBytes = 16_777_216
export const execDrainDefaultMs = 2000
/** On stderr when the time was up. Parity: CRI-O's words, which the kubelet knows. */
export const execTimedOutText = 'command timed out'

/** Parity: the seed's ExecSyncResponse. */
export interface ExecSyncResult {
  /** The process's own; 128 + n when signal n ended it; −1 when the time was up. */
  readonly exitCode: number
  readonly stdout: Buffer
  /** `command timed out` when the time was up. */
  readonly stderr: Buffer
  readonly timedOut: boolean
  /** True when there was more output than is kept; the rest was read and dropped. */
  readonly truncated: boolean
  /** False when something that the command left behind kept its output open; what it still wrote is not here. */
  readonly drained: boolean
}

export type OnDisconnect = 'kill' | 'leave'

export interface ExecRequest extends ExecCommand {
  readonly tty?: boolean | undefined
  /**
   * Of the terminal, before the command looks at it. With crun and several CPUs a command may, rarely, see 0 x 0 first, and
   * then SIGWINCH.
   */
  readonly size?: TerminalSize | undefined
  /**
   * Sizes of the terminal. What comes at once is in force, instead of `size`, before the command looks at it; of sizes
   * that come faster than they can be set only the last one counts. Ignored without a terminal.
   */
  readonly resize$?: Observable<TerminalSize> | undefined
  /** Default false: the command's stdin is /dev/null. */
  readonly stdin?: boolean | undefined
  /** Default true. */
  readonly stdout?: boolean | undefined
  /** Default true. A terminal has none. */
  readonly stderr?: boolean | undefined
  /**
   * What becomes of it when `signal` is aborted, a stream of the caller breaks off or the runtime is closed. Default
   * `kill`. When this process dies without closing, the next one that recovers ends the command, whatever this says.
   */
  readonly onDisconnect?: OnDisconnect | undefined
  /** How long unread output is waited for after the process has ended. Default {@link execDrainDefaultMs}. */
  readonly drainMs?: number | undefined
}

/** How a command ended; never a made-up code. */
export type ExecExit =
  | { readonly kind: 'code'; readonly code: number }
  | {
      readonly kind: 'unknown'
      /**
       * `monitor-lost`: its monitor died before it could tell. `given-up`: its container ended, and nothing was heard of
       * it for two seconds.
       */
      readonly why: 'monitor-lost' | 'given-up'
    }

/** A command that runs. */
export interface ExecSession {
  readonly id: string
  readonly containerId: string
  readonly argv: readonly string[]
  /** In the host's pid namespace. */
  readonly pid: number
  /**
   * Ending it is the command's end of file, but not with a terminal, which has none: there write what the terminal takes
   * for it, as a rule ^D (0x04) at the beginning of a line. Its errors (EPIPE) mean that nobody reads any more.
   */
  readonly stdin: Writable | undefined
  /**
   * Who reads slowly slows the command down; who stops reading stops it. Ends soon after the command. With a terminal it
   * fails with ERR_LAUNCHER_LOST when what carries it dies; the command goes on.
   */
  readonly stdout: Readable | undefined
  readonly stderr: Readable | undefined
  /** Settles when the process has ended, read or unread; never rejects. */
  readonly exited: Promise<ExecExit>
  /**
   * A signal by number to the process itself; KILL ends its whole tree, but behind a shim with a machine of its own the
   * process alone. False when it has ended already.
   */
  kill(signal: number): Promise<boolean>
  /**
   * Resolves when this size, or a later one, is set. ERR_UNSUPPORTED without a terminal, ERR_NOT_RUNNING after the end,
   * ERR_INVALID_ARGUMENT with the field for what is no size.
   */
  resize(size: TerminalSize): Promise<void>
}

export interface ExecOptions {
  /**
   * Aborted before the command runs: what was begun of it is ended, whatever `onDisconnect` says, and the call rejects with
   * ERR_ABORTED. It may do so once that is gone: the caller of the verb is told at once, and waits for neither. Aborted
   * later: `execSync` does the same; a session ends as `onDisconnect` says.
   */
  readonly signal: AbortSignal
  /**
   * Of `execSync`, from the call until the command runs: then it rejects with ERR_TIMEOUT, and what was begun is ended. Default:
   * no limit. Who calls `startExec` sees when the command runs, and aborts.
   */
  readonly startTimeoutMs?: number | undefined
}

export interface ExecPort {
  /**
   * Runs a command to its end. Whatever it does is a result; that it could not be run is an {@link ExecSyncError}, with
   * ERR_COMMAND_NOT_FOUND, ERR_COMMAND_NOT_EXECUTABLE, ERR_NOT_RUNNING, ERR_RUNTIME_FAILED, ERR_MONITOR_LOST; or an
   * OciError with ERR_INVALID_ARGUMENT and the field, ERR_BUSY, ERR_LAUNCHER_LOST, ERR_ABORTED, ERR_TIMEOUT, ERR_IO.
   */
  execSync(container: Container, request: ExecSyncRequest, options: ExecOptions): Promise<ExecSyncResult>
  /**
   * Resolves once the command runs; rejects as `execSync` does, and for a terminal with ERR_UNSUPPORTED where the attach
   * helper does not work.
   */
  startExec(container: Container, request: ExecRequest, options: ExecOptions): Promise<ExecSession>
  /** The commands that run now, `execSync`'s not among them. */
  sessions(containerId: string): readonly ExecSession[]
  /** Ends every command of a container, those of `execSync` included. True when all have ended within `limitMs`. */
  endAll(containerId: string, limitMs: number): Promise<boolean>
  /** Ends what is to be ended when we disconnect, and releases the rest. */
  close(): Promise<void>
}

/** A command could not be run, or how it ended cannot be known. Parity: the seed's ExecSyncError. */
export class ExecSyncError extends OciError {
  readonly stdout: Buffer
  readonly stderr: Buffer
  /** −1: there is none. */
  readonly exitCode: number

  constructor(
    code: ErrorCode,
    message: string,
    { stdout, stderr, ...details }: OciErrorDetails & { readonly stdout: Buffer; readonly stderr: Buffer },
  ) {
    super(code, message, details)
    this.name = 'ExecSyncError'
    this.stdout = stdout
    this.stderr = stderr
    this.exitCode = -1
  }
}
