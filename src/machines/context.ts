/** What a container's machine remembers, and the pure functions that change it. */
import type { ExitStatus, Timestamp } from '../container.ts'
import { OciError, type ErrorCode, type Operation } from '../errors/index.ts'
import type { ContainerLimits } from './delays.ts'
import type { ContainerCommand, StopCommand, WaitingRequest } from './events.ts'

/** A process by pid and start time, as plain data. */
export interface ProcessRecord {
  readonly pid: number
  readonly startTicks: string
}

export interface ExitReport {
  readonly code: number
  readonly finished: Timestamp
}

export interface ContainerContext {
  readonly id: string
  readonly limits: ContainerLimits
  /** Where an adopted container resumes; undefined for a new one. */
  readonly adopt: Adoption | undefined
  readonly cgroupParent: string | undefined
  readonly init: ProcessRecord | undefined
  readonly monitor: ProcessRecord | undefined
  readonly created: Timestamp | undefined
  readonly started: Timestamp | undefined
  /** What the monitor reported, until it is settled into `exit`. */
  readonly reported: ExitReport | undefined
  /** When the process was first seen to be gone, where the monitor did not report it. */
  readonly goneAt: Timestamp | undefined
  readonly monitorLostAt: Timestamp | undefined
  readonly exit: ExitStatus | undefined
  readonly durable: boolean
  /** A clean-up was given up: something of it may live on. */
  readonly uncleaned: boolean
  /** A delete was asked for that ends what lives. */
  readonly forced: boolean
  readonly error: OciError | undefined
  /** A requested stop: its deadline on the monotonic clock, and whether that has passed. */
  readonly stop: StopRequest | undefined
  /** Attempts of whatever the current state retries. */
  readonly attempts: number
  /** True from a pause whose outcome is not known to be undone: KILL may need a thaw first. */
  readonly maybeFrozen: boolean
  /** What was published last: `paused`, or `resumed` (or neither yet). */
  readonly announcedPaused: boolean
  /** Requests that get their reply when their verb is done. */
  readonly waiting: readonly WaitingRequest[]
  /** Commands that wait until the state permits them. */
  readonly deferred: readonly ContainerCommand[]
}

export interface StopRequest {
  readonly deadlineMs: number
  readonly due: boolean
  /** Of the request that set the deadline. */
  readonly timeoutMs: number
  readonly requestedAt: Timestamp
}

/** A container found alive or dead after a restart, and what is known of it. */
export interface Adoption {
  /** `uncertain` is for what was half done: whatever there is of it is removed. */
  readonly phase: 'created' | 'running' | 'paused' | 'stopped' | 'uncertain'
  readonly init: ProcessRecord | undefined
  readonly monitor: ProcessRecord | undefined
  readonly monitorLostAt: Timestamp | undefined
  readonly created: Timestamp | undefined
  readonly started: Timestamp | undefined
  readonly exit: ExitStatus | undefined
  readonly error: OciError | undefined
  /** The host was started anew meanwhile: no process of before lives. */
  readonly rebooted?: boolean | undefined
}

export interface ContainerInput {
  readonly id: string
  readonly limits: ContainerLimits
  readonly adopt?: Adoption | undefined
}

export function initialContext({ id, limits, adopt }: ContainerInput): ContainerContext {
  return {
    id,
    limits,
    adopt,
    cgroupParent: undefined,
    init: adopt?.init,
    monitor: adopt?.monitor,
    created: adopt?.created,
    started: adopt?.started && notBefore(adopt.created, adopt.started),
    reported: undefined,
    goneAt: undefined,
    monitorLostAt: adopt?.monitorLostAt,
    exit: adopt?.exit,
    durable: true,
    uncleaned: false,
    forced: false,
    error: adopt?.error,
    stop: undefined,
    attempts: 0,
    maybeFrozen: adopt?.phase === 'paused',
    announcedPaused: adopt?.phase === 'paused',
    waiting: [],
    deferred: [],
  }
}

type Patch = Partial<ContainerContext>

/**
 * The later of two times, so that those of one container never run backwards. The wall clock may be set back between
 * them, and the kernel dates a file by a clock that lags behind ours by some milliseconds.
 */
function notBefore(earliest: Timestamp | undefined, time: Timestamp): Timestamp {
  return earliest !== undefined && earliest > time ? earliest : time
}

export function withStarted({ created }: ContainerContext, started: Timestamp): Patch {
  return { started: notBefore(created, started) }
}

export function withExit({ created, started }: ContainerContext, exit: ExitStatus): Patch {
  return { exit: { ...exit, finished: notBefore(started ?? created, exit.finished) } }
}

/** True for a request that is to get its reply: sent again it joins itself, whatever the state says of its kind. */
export function isAwaited({ waiting, deferred }: ContainerContext, { requestId }: WaitingRequest): boolean {
  return [...waiting, ...deferred].some((known) => known.requestId === requestId)
}

/** Adds a request to those that get a reply. */
export function withWaiting(context: ContainerContext, request: WaitingRequest): Patch {
  return isAwaited(context, request) ? {} : { waiting: [...context.waiting, request] }
}

/** The first stop sets the deadline; later ones only ever shrink it. */
export function withStop(
  stop: StopRequest | undefined,
  { timeoutMs, elapsedMs = 0, atMs, requestedAt }: Omit<StopCommand, 'type' | 'requestId'>,
): StopRequest {
  const graceMs = Math.max(0, timeoutMs)
  const deadlineMs = atMs + graceMs - elapsedMs
  if (stop !== undefined && stop.deadlineMs <= deadlineMs) {
    return { ...stop, due: stop.due || stop.deadlineMs <= atMs }
  }
  return { deadlineMs, due: stop?.due === true || deadlineMs <= atMs, timeoutMs: graceMs, requestedAt }
}

/** A start that failed: started = finished = created, and the error. Parity: SetStartFailed. */
export function withStartFailed(context: ContainerContext, error: OciError): Patch {
  const at = context.created ?? ''
  return {
    started: context.created,
    error,
    exit: { kind: 'unknown', why: 'start-failed', oomKilled: false, finished: at },
  }
}

/** The exit as far as it is known without further evidence. */
export function exitWithoutEvidence(context: ContainerContext): ExitStatus {
  const { adopt, reported, monitorLostAt } = context
  if (reported !== undefined) return exitStatusOf(reported, false)
  const silent = monitorLostAt === undefined ? 'no-exit-file' : 'monitor-lost'
  const why = adopt?.rebooted === true ? 'reboot' : silent
  // Whichever came first stands for when it ended; one of them did, or nobody would ask.
  const finished = context.goneAt ?? monitorLostAt ?? context.created ?? ''
  return { kind: 'unknown', why, oomKilled: false, finished }
}

/** An exit code as an exit status; 128+n is only inferred to be signal n. */
export function exitStatusOf(reported: ExitReport, oomKilled: boolean): ExitStatus {
  const inferredSignal = reported.code > 128 && reported.code <= 128 + 64 ? reported.code - 128 : undefined
  return { kind: 'code', code: reported.code, inferredSignal, oomKilled, finished: reported.finished }
}

/** True when what ended the container is its `error`: it could not be started. Anything else ended with an exit. */
export function endedByError(context: ContainerContext): boolean {
  return context.error !== undefined && (context.started === undefined || startFailed(context))
}

export function startFailed({ exit }: ContainerContext): boolean {
  return exit?.kind === 'unknown' && exit.why === 'start-failed'
}

/** A failure of this container that the machine itself declares. */
export function failure(
  context: ContainerContext,
  code: ErrorCode,
  message: string,
  operation?: Operation,
): OciError {
  return new OciError(code, message, { containerId: context.id, operation })
}
