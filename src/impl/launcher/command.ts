/**
 * What the launcher is asked to run and what it says of it. Both sides of the channel speak these words.
 *
 * Deliberately not here: any knowledge of a runtime's or monitor's arguments, and any judgement of an exit code.
 */

/**
 * A process that runs to its end. Standard input is /dev/null; standard output and error are sockets, as always with
 * Node, so a program that opens /dev/stdout by name fails (ENXIO).
 */
export interface Command {
  readonly argv: readonly [string, ...string[]]
  /** Exactly this environment: nothing is inherited, not even PATH. */
  readonly env: Readonly<Record<string, string>>
  /** Default: `/`, so that no file system is kept busy. */
  readonly cwd?: string | undefined
  /** From the spawn; then SIGKILL goes to the process group of the command and the result says `timedOut`. */
  readonly timeoutMs: number
  /** Default 1 MiB. Output beyond it is read and dropped, so the command never blocks on a full pipe. */
  readonly stdoutMaxBytes?: number | undefined
  /**
   * True for a command that runs as long as somebody uses it, a stream into a container for example. It takes no slot
   * from the others and never waits for one: when there are too many of its kind it is refused with ERR_BUSY. Closing
   * the launcher kills it at once. Default false.
   */
  readonly longLived?: boolean | undefined
}

export const stdoutDefaultMaxBytes = 1024 * 1024

/** The file that could not be executed (or entered, if it is the `cwd`), and the errno of the attempt. */
export interface NotStarted {
  readonly errno: string
  readonly path: string
  /** It is a FIFO that the command was to have, and that could not be opened. */
  readonly isFifo?: true | undefined
}

export interface CommandResult {
  /** Undefined when a signal ended the command, when it never started, and when it outlived its SIGKILL (state D). */
  readonly exitCode: number | undefined
  readonly signal: string | undefined
  readonly timedOut: boolean
  /** Decoded as UTF-8. */
  readonly stdout: string
  readonly stdoutTruncated: boolean
  /** The last 8192 bytes. */
  readonly stderrTail: string
  readonly notStarted?: NotStarted | undefined
}

/**
 * A monitor (conmon) to be started: fd 3 is its sync pipe, fd 4 its start pipe, so `env` must say so
 * (`_OCI_SYNCPIPE=3`, `_OCI_STARTPIPE=4`). By the latter a monitor that waits for its start byte is also found from
 * outside (end-launcher.ts).
 */
export interface MonitorCommand {
  readonly argv: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string | undefined
  /** From the start byte to the pid line. */
  readonly timeoutMs: number
  /**
   * A FIFO, which becomes the sync pipe. The monitor keeps it open for as long as it lives, so whoever opens the path
   * afterwards, in this process or a later one, reads its end when the monitor has died.
   */
  readonly syncFifo: string
}

/** Every way a monitor's create can end but the good one. */
export type MonitorFailure =
  /** The runtime refused; conmon passed on its words. Runtime state is gone, files of the bundle may remain. */
  | { readonly kind: 'refused'; readonly message: string }
  /** The monitor ended before it forked, so before it had the runtime do anything. */
  | {
      readonly kind: 'exited'
      readonly exitCode: number | undefined
      readonly signal: string | undefined
      readonly stderrTail: string
    }
  /** The monitor exited 0 and its daemon closed the sync pipe without a word. The container may exist. */
  | { readonly kind: 'silent'; readonly exitCode: number | undefined; readonly stderrTail: string }
  /** The sync pipe carried something that is no answer; `text` is its beginning. The container may exist. */
  | { readonly kind: 'garbled'; readonly text: string; readonly stderrTail: string }
  /**
   * No answer in time. The spawned process is dead, but its daemon is not when it had forked already: it is in a
   * session of its own, and neither it nor the runtime below it notices that the sync pipe is closed until the runtime
   * returns (then it leaves a created container without a monitor). The caller kills the process that the `-P` file
   * names (the runtime dies with it, conmon sets a parent-death signal) and then runs `delete --force`.
   */
  | { readonly kind: 'timedOut'; readonly stderrTail: string }
  | ({ readonly kind: 'notStarted' } & NotStarted)
