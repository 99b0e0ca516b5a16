/**
 * The vocabulary of the container machine: its delays, guards and actions by name. The chart that uses them is
 * `container.machine.ts`.
 *
 * Deliberately not here: processes, files, clocks. Context changes are pure functions (`context.ts`), times come in
 * with the events, effects are slots (`effects.ts`).
 */
import { assertEvent, assign, cancel, enqueueActions, setup } from 'xstate'
import type { ExitStatus, Timestamp } from '../container.ts'
import { OciError } from '../errors/index.ts'
import { cancelledError } from './container.errors.ts'
import {
  endedByError,
  exitStatusOf,
  exitWithoutEvidence,
  failure,
  isAwaited,
  startFailed,
  withExit,
  withStarted,
  withStartFailed,
  withStop,
  withWaiting,
  type ContainerContext,
  type ContainerInput,
} from './context.ts'
import {
  backoffMs,
  deferredCommandsMax,
  frozenKillsMax,
  retryAttemptsMax,
  retryBackoffMaxMs,
  timerDelayMaxMs,
} from './delays.ts'
import { effectSlots, type CreateOutput } from './effects.ts'
import {
  isCommand,
  requestOf,
  type ContainerCommand,
  type ContainerMachineEmitted,
  type ContainerMachineEvent,
  type InternalEvent,
  type LifecycleEvent,
  type ReplyOutcome,
  type Verb,
  type WaitingRequest,
} from './events.ts'

const done: ReplyOutcome = { kind: 'done' }

export const containerSetup = setup({
  types: {
    context: {} as ContainerContext,
    events: {} as ContainerMachineEvent,
    emitted: {} as ContainerMachineEmitted,
    input: {} as ContainerInput,
  },
  actors: effectSlots,
  delays: {
    createTimeout: ({ context }) => context.limits.createTimeoutMs,
    startTimeout: ({ context }) => context.limits.startTimeoutMs,
    pauseTimeout: ({ context }) => context.limits.pauseTimeoutMs,
    resumeTimeout: ({ context }) => context.limits.resumeTimeoutMs,
    observeTimeout: ({ context }) => context.limits.observeTimeoutMs,
    signalTimeout: ({ context }) => context.limits.signalTimeoutMs,
    cleanUpTimeout: ({ context }) => context.limits.cleanUpTimeoutMs,
    deleteTimeout: ({ context }) => context.limits.deleteTimeoutMs,
    settleTimeout: ({ context }) => context.limits.settleTimeoutMs,
    recordTimeout: ({ context }) => context.limits.recordTimeoutMs,
    exitFileWait: ({ context }) => context.limits.exitFileWaitMs,
    stuckReport: ({ context }) => context.limits.stuckReportMs,
    killBackoff: ({ context }) =>
      backoffMs(context.limits.killBackoffMinMs, context.attempts - 1, context.limits.killBackoffMaxMs),
    retryBackoff: ({ context }) =>
      backoffMs(context.limits.retryBackoffMs, context.attempts - 1, retryBackoffMaxMs),
  },
  guards: {
    exitReported: ({ context }) => context.reported !== undefined,
    processGone: ({ context }) => context.goneAt !== undefined,
    neverCreated: ({ context }) => context.created === undefined,
    neverEnded: ({ context }) => context.created === undefined && context.exit === undefined,
    stopDue: ({ context }) => context.stop?.due === true,
    stopRequested: ({ context }) => context.stop !== undefined,
    nobodyAwaitsDeath: ({ context }) =>
      ![...context.waiting, ...context.deferred.map(requestOf)].some(isOneOf(['stop', 'delete'])),
    monitorIsLost: ({ context }) => context.monitorLostAt !== undefined,
    stopAtOnce: ({ event }) =>
      event.type === 'container.stop' && event.timeoutMs - (event.elapsedMs ?? 0) <= 0,
    mayRetry: ({ context }) => context.attempts < retryAttemptsMax,
    frozenInVain: ({ context }) => context.maybeFrozen && context.attempts >= frozenKillsMax,
    maybeFrozen: ({ context }) => context.maybeFrozen,
    forced: ({ event }) => event.type === 'container.delete' && event.force,
    unforced: ({ event }) => event.type === 'container.delete' && !event.force,
    deadlineFinal: ({ event }) => event.type === 'deadline.reached' && event.remainingMs <= 0,
    observedGone: ({ event }) =>
      event.type === 'container.observed' && (event.status === 'stopped' || event.status === 'absent'),
    observedPaused: ({ event }) => event.type === 'container.observed' && event.status === 'paused',
    observedRunning: ({ event }) => event.type === 'container.observed' && event.status === 'running',
    adoptCreated: ({ context }) => context.adopt?.phase === 'created' && !isUnmonitored(context),
    adoptUnmonitored: ({ context }) => context.adopt?.phase === 'created' && isUnmonitored(context),
    adoptRunning: ({ context }) => context.adopt?.phase === 'running' && !isUnmonitored(context),
    adoptRunningUnmonitored: ({ context }) => context.adopt?.phase === 'running' && isUnmonitored(context),
    adoptPaused: ({ context }) => context.adopt?.phase === 'paused' && !isUnmonitored(context),
    adoptPausedUnmonitored: ({ context }) => context.adopt?.phase === 'paused' && isUnmonitored(context),
    adoptStopped: ({ context }) => context.adopt?.phase === 'stopped',
    adoptUncertain: ({ context }) => context.adopt?.phase === 'uncertain',
  },
  actions: {
    /** The command is accepted; its reply comes when it is done. */
    accept: enqueueActions(({ context, event, enqueue }) => {
      enqueue.assign(withWaiting(context, requestOf(commandIn(event))))
    }),
    /** The state forbids the command. */
    refuse: enqueueActions(({ context, event, enqueue }) => {
      const request = requestOf(commandIn(event))
      if (!isAwaited(context, request)) replyTo(enqueue, [request], { kind: 'refused' })
    }),
    /** There is nothing to do for the command. */
    replyDone: enqueueActions(({ event, enqueue }) => {
      replyTo(enqueue, [requestOf(commandIn(event))], done)
    }),
    /** The command waits until the state permits it. */
    defer: enqueueActions(({ context, event, enqueue }) => {
      const command = commandIn(event)
      if (isAwaited(context, requestOf(command))) return
      // A delete that kills must not be turned away by other commands: it would be said to be refused, and done.
      const isDelete = command.type === 'container.delete'
      const queued = context.deferred.filter(({ type }) => (type === 'container.delete') === isDelete)
      if (queued.length < deferredCommandsMax) {
        enqueue.assign({ deferred: [...context.deferred, command] })
        return
      }
      const message = `${deferredCommandsMax} commands wait for container ${context.id} already`
      replyTo(enqueue, [requestOf(command)], failed(failure(context, 'ERR_BUSY', message)))
    }),
    /**
     * Takes up what waited for this state, in order. All of it: what the state that the first leads to does not permit
     * yet is deferred again, and nothing is left behind in a state that takes up nothing.
     */
    takeDeferred: enqueueActions(({ context, enqueue }) => {
      enqueue.assign({ deferred: [] })
      for (const command of context.deferred) enqueue.raise(command)
    }),
    /** Replies to every request of these verbs. */
    succeed: enqueueActions(({ context, enqueue }, { verbs }: { readonly verbs: readonly Verb[] }) => {
      replyTo(enqueue, context.waiting.filter(isOneOf(verbs)), done)
      enqueue.assign({ waiting: context.waiting.filter((request) => !verbs.includes(request.verb)) })
    }),
    fail: enqueueActions(
      (
        { context, enqueue },
        { verbs, error }: { readonly verbs: readonly Verb[]; readonly error: OciError },
      ) => {
        replyTo(enqueue, context.waiting.filter(isOneOf(verbs)), failed(error))
        enqueue.assign({ waiting: context.waiting.filter((request) => !verbs.includes(request.verb)) })
      },
    ),
    /** What these commands wait for does not come. */
    failDeferred: enqueueActions(
      (
        { context, enqueue },
        { verbs, error }: { readonly verbs: readonly Verb[]; readonly error: OciError },
      ) => {
        const isMeant = isOneOf(verbs)
        const requests = context.deferred.map(requestOf)
        replyTo(enqueue, requests.filter(isMeant), failed(error))
        enqueue.assign({ deferred: context.deferred.filter((command) => !isMeant(requestOf(command))) })
      },
    ),
    /** The process is gone: what needed it fails, stop and delete go on. A failed start is answered once recorded. */
    failWhatNeedsTheProcess: enqueueActions(({ context, enqueue }) => {
      const kept: readonly Verb[] = startFailed(context) ? ['stop', 'delete', 'start'] : ['stop', 'delete']
      const { keeping, others } = split(context, kept)
      const message = `container ${context.id} has no process any more`
      replyTo(enqueue, others, failed(failure(context, 'ERR_NOT_RUNNING', message)))
      enqueue.assign(keeping)
    }),
    /** A stop takes over. Whom it disappoints is told now: the process may take its time to end. */
    cancelWhatStopPrevents: enqueueActions(({ context, enqueue }) => {
      const { keeping, others } = split(context, ['stop', 'delete'])
      for (const request of others) {
        replyTo(enqueue, [request], failed(cancelledError(context, request.verb).error))
      }
      enqueue.assign(keeping)
    }),
    publish: enqueueActions(({ enqueue }, event: LifecycleEvent) => {
      enqueue.emit({ type: 'published', event })
    }),
    /** Says that the container is paused, or no longer, unless that is what was said last. */
    announceFreezer: enqueueActions(({ context, enqueue }, { paused }: { readonly paused: boolean }) => {
      if (context.announcedPaused === paused) return
      enqueue.assign({ announcedPaused: paused })
      enqueue.emit({ type: 'published', event: { type: paused ? 'paused' : 'resumed' } })
    }),
    /** The exit is settled. Also what was killed before it was started has one; a failed start is a failure. */
    announceStopped: enqueueActions(({ context, enqueue }) => {
      const { exit, error, durable, waiting } = context
      if (error !== undefined && endedByError(context)) {
        enqueue.emit({ type: 'published', event: { type: 'failed', error } })
      } else if (exit !== undefined) {
        enqueue.emit({ type: 'published', event: { type: 'exited', exit, durable } })
      }
      replyTo(enqueue, waiting.filter(isOneOf(['stop'])), done)
      replyTo(enqueue, waiting.filter(isOneOf(['start'])), failed(errorIn(context)))
      enqueue.assign({ waiting: waiting.filter((request) => !isOneOf(['stop', 'start'])(request)) })
    }),
    /** Creating failed and nothing is left: everybody who waited for more than its end is told why. */
    announceFailed: enqueueActions(({ context, enqueue }) => {
      const error = errorIn(context)
      enqueue.emit({ type: 'published', event: { type: 'failed', error } })
      const isStop = isOneOf(['stop'])
      const isDelete = isOneOf(['delete'])
      const hopeless = [...context.waiting, ...context.deferred.map(requestOf)].filter(
        (request) => !isStop(request) && !isDelete(request),
      )
      replyTo(enqueue, context.waiting.filter(isStop), done)
      replyTo(enqueue, hopeless, failed(error))
      enqueue.assign({
        waiting: [],
        deferred: context.deferred.filter((command) => isDelete(requestOf(command))),
      })
    }),
    failDelete: enqueueActions(({ context, enqueue }) => {
      const isDelete = isOneOf(['delete'])
      replyTo(enqueue, context.waiting.filter(isDelete), failed(errorIn(context)))
      enqueue.assign({ waiting: context.waiting.filter((request) => !isDelete(request)) })
    }),
    /** Notes a stop and arms its deadline. Invariant: the deadline never grows. */
    noteStop: enqueueActions(({ context, event, enqueue }) => {
      assertEvent(event, ['container.stop', 'container.delete'])
      const timeoutMs = event.type === 'container.stop' ? event.timeoutMs : 0
      const stop = withStop(context.stop, { ...event, timeoutMs })
      enqueue.assign({ stop })
      if (stop.deadlineMs >= (context.stop?.deadlineMs ?? Number.POSITIVE_INFINITY)) return
      enqueue.cancel('deadline')
      armDeadline(enqueue, stop.deadlineMs - event.atMs)
    }),
    /** A deadline further away than a timer can hold is reached in steps. */
    armDeadlineAgain: enqueueActions(({ event, enqueue }) => {
      assertEvent(event, 'deadline.reached')
      armDeadline(enqueue, event.remainingMs)
    }),
    disarmDeadline: cancel('deadline'),
    noteDeadline: assign(({ context }) =>
      context.stop === undefined ? {} : { stop: { ...context.stop, due: true } },
    ),
    /** Invariant: at most one exit per run. What the monitor says twice, it said once. */
    noteExit: assign(({ context, event }) => {
      assertEvent(event, 'container.exited')
      return context.reported === undefined
        ? { reported: { code: event.code, finished: event.finished } }
        : {}
    }),
    noteGone: assign(({ context }, { at }: { readonly at: Timestamp }) =>
      context.goneAt === undefined ? { goneAt: at } : {},
    ),
    noteMonitorLost: assign((_, { at }: { readonly at: Timestamp }) => ({ monitorLostAt: at })),
    noteFrozen: assign({ maybeFrozen: true }),
    noteThawed: assign({ maybeFrozen: false }),
    noteCreated: assign((_, output: CreateOutput) => output),
    noteCgroupParent: assign(({ event }) => {
      assertEvent(event, 'container.create')
      return { cgroupParent: event.cgroupParent }
    }),
    noteSettled: assign(({ context }, { exit }: { readonly exit: ExitStatus }) => {
      const { reported } = context
      const isLate = exit.kind === 'unknown' && reported !== undefined
      return withExit(context, isLate ? exitStatusOf(reported, exit.oomKilled) : exit)
    }),
    noteError: assign((_, { error }: { readonly error: OciError }) => ({ error })),
    noteStartFailed: assign(({ context }, { error }: { readonly error: OciError }) =>
      withStartFailed(context, error),
    ),
    noteStarted: assign(({ context }, { started }: { readonly started: Timestamp }) =>
      withStarted(context, started),
    ),
    settleWithoutEvidence: assign(({ context }) =>
      withExit(context, context.exit ?? exitWithoutEvidence(context)),
    ),
    noteNotDurable: assign({ durable: false }),
    noteUncleaned: assign({ uncleaned: true }),
    noteForced: assign(({ context, event }) => ({
      forced: context.forced || (event.type === 'container.delete' && event.force),
    })),
    /** Of one delete: the next may not be forced. */
    resetForced: assign({ forced: false }),
    resetAttempts: assign({ attempts: 0 }),
    countAttempt: assign({ attempts: ({ context }) => context.attempts + 1 }),
    armStuck: enqueueActions(({ context, enqueue }) => {
      enqueue.raise({ type: 'stop.stuck' }, { id: 'stuck', delay: context.limits.stopStuckMs })
    }),
    disarmStuck: cancel('stuck'),
    /** Tells whoever waits that the process does not die. Killing goes on. */
    replyStuck: enqueueActions(({ context, enqueue }) => {
      const seconds = Math.round(context.limits.stopStuckMs / 1000)
      const message = `container ${context.id} does not die: ${context.attempts} KILLs in ${seconds} s; killing goes on`
      const waitsForDeath = isOneOf(['stop', 'delete'])
      const requests = [...context.waiting, ...context.deferred.map(requestOf)].filter(waitsForDeath)
      replyTo(enqueue, requests, failed(failure(context, 'ERR_STOP_STUCK', message)))
      enqueue.assign({
        waiting: context.waiting.filter((request) => !waitsForDeath(request)),
        deferred: context.deferred.filter((command) => !waitsForDeath(requestOf(command))),
      })
    }),
  },
})

/** What `enqueueActions` hands in, as far as the functions here use it. */
interface Enqueue {
  emit(event: ContainerMachineEmitted): void
  raise(event: InternalEvent, options?: { id?: string; delay?: number }): void
}

function replyTo(
  enqueue: Pick<Enqueue, 'emit'>,
  requests: readonly WaitingRequest[],
  outcome: ReplyOutcome,
): void {
  for (const { requestId, verb } of requests) enqueue.emit({ type: 'replied', requestId, verb, outcome })
}

/** The context's requests of these verbs, and all others. */
function split(
  { waiting, deferred }: ContainerContext,
  verbs: readonly Verb[],
): { keeping: Pick<ContainerContext, 'waiting' | 'deferred'>; others: readonly WaitingRequest[] } {
  const keeps = isOneOf(verbs)
  return {
    keeping: {
      waiting: waiting.filter(keeps),
      deferred: deferred.filter((command) => keeps(requestOf(command))),
    },
    others: [...waiting, ...deferred.map(requestOf)].filter((request) => !keeps(request)),
  }
}

function armDeadline(enqueue: Pick<Enqueue, 'raise'>, remainingMs: number): void {
  // Infinity never escalates: no timer at all.
  if (remainingMs === Number.POSITIVE_INFINITY) return
  const delayMs = Math.min(Math.max(remainingMs, 0), timerDelayMaxMs)
  enqueue.raise(
    { type: 'deadline.reached', remainingMs: remainingMs - delayMs },
    { id: 'deadline', delay: delayMs },
  )
}

function isOneOf(verbs: readonly Verb[]): (request: WaitingRequest) => boolean {
  return ({ verb }) => verbs.includes(verb)
}

function errorIn(context: ContainerContext): OciError {
  return context.error ?? failure(context, 'ERR_INTERNAL', `container ${context.id} failed without an error`)
}

function isUnmonitored(context: ContainerContext): boolean {
  return context.adopt?.monitorLostAt !== undefined
}

function failed(error: OciError): ReplyOutcome {
  return { kind: 'failed', error }
}

function commandIn(event: ContainerMachineEvent): ContainerCommand {
  if (isCommand(event)) return event
  throw new OciError('ERR_INTERNAL', `${event.type} is not a command`)
}
