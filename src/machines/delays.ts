/**
 * Every limit of the container machine: what may wait, how long, how often.
 *
 * A limit ends the wait for something that hangs; it never decides what is true. So each is far longer than a host that is
 * merely busy takes, and whatever is known by then still counts.
 */

/** Times in milliseconds. The runtime fills them from the configuration; tests shorten them. */
export interface ContainerLimits {
  /** Parity: ContainerCreateTimeout, per handler. */
  readonly createTimeoutMs: number
  readonly startTimeoutMs: number
  readonly pauseTimeoutMs: number
  readonly resumeTimeoutMs: number
  readonly observeTimeoutMs: number
  readonly signalTimeoutMs: number
  /** From when a command is asked for until it runs. */
  readonly execStartTimeoutMs: number
  readonly updateTimeoutMs: number
  readonly cleanUpTimeoutMs: number
  readonly deleteTimeoutMs: number
  readonly settleTimeoutMs: number
  readonly recordTimeoutMs: number
  /** How long a restart waits for what it has found to come to an end, before it says how things stand. */
  readonly recoverTimeoutMs: number
  /** How long the exit file of a gone process is waited for while its monitor lives. The monitor's end ends the wait at once. */
  readonly exitFileWaitMs: number
  /** KILL is repeated with growing pauses between these bounds. */
  readonly killBackoffMinMs: number
  readonly killBackoffMaxMs: number
  /** When a process that does not die is reported. */
  readonly stuckReportMs: number
  /** When the callers of stop are told that it does not die. The machine keeps killing. */
  readonly stopStuckMs: number
  /** First pause between the attempts of clean-up, delete and observe; doubles. */
  readonly retryBackoffMs: number
}

export const defaultContainerLimits: ContainerLimits = {
  createTimeoutMs: 240_000,
  startTimeoutMs: 60_000,
  pauseTimeoutMs: 30_000,
  resumeTimeoutMs: 30_000,
  observeTimeoutMs: 30_000,
  signalTimeoutMs: 10_000,
  execStartTimeoutMs: 60_000,
  updateTimeoutMs: 30_000,
  cleanUpTimeoutMs: 30_000,
  deleteTimeoutMs: 30_000,
  settleTimeoutMs: 120_000,
  recordTimeoutMs: 10_000,
  recoverTimeoutMs: 10_000,
  exitFileWaitMs: 60_000,
  killBackoffMinMs: 20,
  killBackoffMaxMs: 120_000,
  stuckReportMs: 60_000,
  stopStuckMs: 120_000,
  retryBackoffMs: 200,
}

/** Attempts of clean-up and of delete before they are given up and reported. */
export const retryAttemptsMax = 5
/** Pauses between them never grow beyond this. */
export const retryBackoffMaxMs = 30_000
/** Commands that may wait for one container's state to permit them. */
export const deferredCommandsMax = 32
/** KILLs without effect on a container that may be frozen before it is deleted by force. */
export const frozenKillsMax = 3

/** setTimeout fires at once beyond this. */
export const timerDelayMaxMs = 2 ** 31 - 1

/** `baseMs` doubled for each attempt so far, never above `ceilingMs` nor above what a timer can hold. */
export function backoffMs(baseMs: number, attempts: number, ceilingMs: number): number {
  return Math.min(baseMs * 2 ** Math.min(Math.max(attempts, 0), 30), ceilingMs, timerDelayMaxMs)
}
