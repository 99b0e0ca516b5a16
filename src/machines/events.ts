/**
 * What a container's machine hears and says. Requests are imperative (`container.stop`), facts are past tense
 * (`container.exited`). Everything is plain data but the errors of replies, so that a run can be logged and replayed.
 */
import type { ContainerStatus, ExitStatus, Timestamp } from '../container.ts'
import type { OciError } from '../errors/index.ts'

/** Names one request; unique per actor. Its reply carries it. */
export type RequestId = number

export type Verb = 'create' | 'start' | 'pause' | 'unpause' | 'stop' | 'delete'

export type ContainerCommand =
  | {
      readonly type: 'container.create'
      readonly requestId: RequestId
      readonly cgroupParent: string | undefined
    }
  | { readonly type: 'container.start'; readonly requestId: RequestId }
  | { readonly type: 'container.pause'; readonly requestId: RequestId }
  | { readonly type: 'container.unpause'; readonly requestId: RequestId }
  | StopCommand
  | DeleteCommand

export interface StopCommand {
  readonly type: 'container.stop'
  readonly requestId: RequestId
  /** Grace before KILL; ≤ 0 kills at once, Infinity never escalates. */
  readonly timeoutMs: number
  /** How much of that is over already: of a stop that a restart resumes. */
  readonly elapsedMs?: number | undefined
  /** When it was asked for, on the monotonic clock: deadlines only ever shrink. */
  readonly atMs: number
  /** The same instant on the wall clock: a restart knows no other. */
  readonly requestedAt: Timestamp
}

export interface DeleteCommand {
  readonly type: 'container.delete'
  readonly requestId: RequestId
  /** From a live state: kill, record the exit, delete. Without it whatever lives, or is being created, refuses. */
  readonly force: boolean
  readonly atMs: number
  readonly requestedAt: Timestamp
}

/** A request as its reply names it. */
export interface WaitingRequest {
  readonly requestId: RequestId
  readonly verb: Verb
}

export function isCommand(event: ContainerMachineEvent): event is ContainerCommand {
  return 'requestId' in event
}

export function requestOf(command: ContainerCommand): WaitingRequest {
  return { requestId: command.requestId, verb: verbOf[command.type] }
}

const verbOf: Record<ContainerCommand['type'], Verb> = {
  'container.create': 'create',
  'container.start': 'start',
  'container.pause': 'pause',
  'container.unpause': 'unpause',
  'container.stop': 'stop',
  'container.delete': 'delete',
}

export type ContainerFact =
  /** The monitor reported the exit. */
  | { readonly type: 'container.exited'; readonly code: number; readonly finished: Timestamp }
  /** The init process is gone (pid and start time looked at), whatever the monitor says. */
  | { readonly type: 'process.gone'; readonly at: Timestamp }
  /** The monitor died. Sent only after looking for an exit file: the end of a monitor follows every exit. */
  | { readonly type: 'monitor.lost'; readonly at: Timestamp }
  /** What the runtime says of the container, whoever did it. */
  | {
      readonly type: 'container.observed'
      readonly status: ContainerStatus | 'absent'
      readonly at: Timestamp
    }

/** Raised by the machine for itself. */
export type InternalEvent =
  /** The time given for a graceful stop is over; `remainingMs` is what a single timer could not hold. */
  | { readonly type: 'deadline.reached'; readonly remainingMs: number }
  /** KILL has had its time and the process is still there. */
  | { readonly type: 'stop.stuck' }

export type ContainerMachineEvent = ContainerCommand | ContainerFact | InternalEvent

export type ReplyOutcome =
  | { readonly kind: 'done' }
  /** The state forbids the command; the actor adds what the state allows. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'failed'; readonly error: OciError }

/** What the machine emits. */
export type ContainerMachineEmitted =
  | {
      readonly type: 'replied'
      readonly requestId: RequestId
      readonly verb: Verb
      readonly outcome: ReplyOutcome
    }
  | { readonly type: 'published'; readonly event: LifecycleEvent }

/**
 * What happened in a container's life, in the order of the law: created ≺ started ≺ exited ≺ deleted, each at most
 * once. What was created ends with `exited`, also without `started` when it was killed or stopped before that. What
 * could not be created or started, or lost its monitor before it was started, ends with `failed` instead.
 */
export type LifecycleEvent =
  | { readonly type: 'created'; readonly pid: number }
  | { readonly type: 'started' }
  | { readonly type: 'paused' }
  | { readonly type: 'resumed' }
  | { readonly type: 'exited'; readonly exit: ExitStatus; readonly durable: boolean }
  | { readonly type: 'failed'; readonly error: OciError }
  | { readonly type: 'monitorLost' }
  | {
      readonly type: 'stopStuck'
      readonly killAttempts: number
      /** What the process does instead of dying, as the letter of /proc/PID/stat; the actor, who can look, adds it. */
      readonly processState?: string | undefined
    }
  | { readonly type: 'deleted' }
