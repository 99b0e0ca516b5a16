/** What carries a command's streams between it and us: FIFOs, or its terminal. Types only. */
import type { Readable, Writable } from 'node:stream'
import type { TerminalSize } from '../terminal-size.ts'
import type { LaunchedExec, LaunchHooks } from './exec-launch.ts'

export interface ExecChannel {
  readonly stdin: Writable | undefined
  readonly stdout: Readable | undefined
  readonly stderr: Readable | undefined
  /** Undefined without a terminal. */
  readonly resize: ((size: TerminalSize) => Promise<void>) | undefined
  /** Output is no longer to hold up the end of the command, whether it is read or not. */
  hurry(): void
  /** The command has ended: its streams end when what it has written was read. */
  finish(): void
  /** Nobody is at our end any more. What is still written is dropped, and the command goes on. */
  discard(): void
}

export interface Launching extends LaunchHooks {
  /** Aborted when nobody waits for its start any more; what was launched is ended elsewhere. */
  readonly signal: AbortSignal
}

/** A command that was started, its streams, and its pid; without a pid it never ran, or nobody knows. */
export interface CarriedExec {
  readonly launched: LaunchedExec
  readonly channel: ExecChannel
  readonly pid: number | undefined
}
