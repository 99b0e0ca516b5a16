/** What a restart has found, as plain data. */
import type { ContainerPhase, ExitStatus } from '../../container.ts'
import type { ErrorCode } from '../../errors/index.ts'

/** What became of the containers of an earlier supervisor. Each is in exactly one of the first four lists, or in `unresolved`. */
export interface RecoveryReport {
  /** Taken up as they were, those that had ended before included. `phase` is that of the end of the recovery. */
  readonly adopted: readonly { readonly id: string; readonly phase: ContainerPhase }[]
  /** Lived when the earlier supervisor ended, and have ended since. Their `exited` event is published. */
  readonly exited: readonly { readonly id: string; readonly exit: ExitStatus }[]
  /** Removed, so that their ids are free: their creation was never finished, or their monitor died before they were started. */
  readonly removed: readonly { readonly id: string; readonly why: string }[]
  /** What is on disk cannot be trusted. `file` is where the entry of the index is now; nothing else was touched. */
  readonly quarantined: readonly {
    readonly id: string | undefined
    readonly file: string
    readonly code: ErrorCode
    readonly why: string
  }[]
  /**
   * What could not be found out, or brought about, in time. A container that is listed in `runtime.containers` is adopted
   * as it is believed to be, and looked at again until it answers; any other stays on disk for the next `recover`.
   */
  readonly unresolved: readonly { readonly id: string; readonly code: ErrorCode; readonly why: string }[]
  /** Where the events of this recovery begin: `runtime.events({ since })` tells them, however late it is called. */
  readonly since: { readonly epoch: string; readonly seq: number }
  readonly durationMs: number
}
