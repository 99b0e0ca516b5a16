/**
 * Defects of the container machine, each of a kind that is easily made: lost exits, races, forgotten replies, stops that
 * never end. The exploration must find every one of them, or it is worth nothing.
 */
import { assign, enqueueActions, StateMachine } from 'xstate'
import { containerMachine, type ContainerMachine } from '../../../src/machines/container.machine.ts'
import { withExit } from '../../../src/machines/context.ts'
import { isCommand, requestOf } from '../../../src/machines/events.ts'

export interface MachineMutant {
  /** What is wrong, as a sentence about it. */
  readonly name: string
  /** The law that is found broken first. */
  readonly breaks: string
  /** How many requests have to be open at once for it to show; default 1. */
  readonly openRequestsMax?: number
  readonly machine: ContainerMachine
}

type Implementations = Parameters<ContainerMachine['provide']>[0]
type Config = { [key: string]: unknown }

const nothing = (): void => undefined

export const machineMutants: readonly MachineMutant[] = [
  // Exits
  without(
    'a paused container ignores its exit',
    'everyReportIsHeard',
    'live.life.paused',
    'on.container\\.exited',
  ),
  changed('an exit ends a start that is under way', 'everyRunIsTold', (config) => {
    set(config, 'live.life.starting', 'on.container\\.exited', {
      target: '#container.exiting',
      actions: 'noteExit',
    })
  }),
  provided('the last of two reports of one exit wins', 'oneExitPerStart', {
    actions: {
      noteExit: assign(({ event }) =>
        event.type === 'container.exited' ? { reported: { code: event.code, finished: event.finished } } : {},
      ),
    },
  }),
  provided('a report that comes while the exit is settled is lost', 'exitsAreNeitherInventedNorLost', {
    actions: { noteSettled: assign(({ context }, { exit }) => withExit(context, exit)) },
  }),
  provided('a report that comes before settling is lost', 'exitsAreNeitherInventedNorLost', {
    actions: {
      settleWithoutEvidence: assign(({ context }) =>
        withExit(context, { kind: 'unknown', why: 'no-exit-file', oomKilled: false, finished: '' }),
      ),
    },
  }),
  provided('a clock that was set back has a container end before it starts', 'timesNeverRunBackwards', {
    actions: { noteSettled: assign((_, { exit }) => ({ exit })) },
  }),
  provided('an exit kept from creating is forgotten', 'nobodyLingersInADeadContainer', {
    guards: { exitReported: () => false },
  }),
  {
    ...without(
      'a stop kills what is known to be dead',
      'nobodyLingersInADeadContainer',
      'live.life.stopping',
      'always',
    ),
    openRequestsMax: 2,
  },
  without(
    'the exit file is waited for without a limit',
    'whoWaitsHasAWayOut',
    'exiting.awaitingFile',
    'after',
  ),

  // Effects
  without('an effect that fails has no edge', 'theMachineLives', 'creating', 'invoke.onError'),
  without('a start has no limit of time', 'everyCallHasALimit', 'live.life.starting', 'after'),
  changed('a create that takes too long is not cleaned up', 'restsWithNothingQueued', (config) => {
    set(config, 'creating', 'after.createTimeout.target', 'failed')
  }),
  without('nothing follows a KILL', 'whoWaitsHasAWayOut', 'live.life.stopping.killing.waiting', 'after'),
  provided('a clean-up is tried for ever', 'everyRequestGetsItsReply', { guards: { mayRetry: () => true } }),
  provided('what a clean-up has left behind is forgotten', 'everyLifeCanEnd', {
    actions: { noteUncleaned: nothing },
  }),
  provided('a frozen process is killed and never thawed', 'everyLifeCanEnd', {
    guards: { maybeFrozen: () => false, frozenInVain: () => false },
  }),

  // Stops
  provided('a later stop moves the deadline', 'theDeadlineNeverGrows', {
    actions: {
      noteStop: enqueueActions(({ event, enqueue }) => {
        if (event.type !== 'container.stop') return
        const { atMs, timeoutMs, requestedAt } = event
        enqueue.assign({
          stop: { deadlineMs: atMs + timeoutMs, due: timeoutMs <= 0, timeoutMs, requestedAt },
        })
      }),
    },
  }),
  without('the deadline passes unheard', 'whoWaitsHasAWayOut', 'live.life.stopping', 'on.deadline\\.reached'),
  without('the deadline of a stop outlives the process', 'restsWithNothingArmed', 'live', 'exit'),
  {
    ...changed('an unforced delete waits behind a stop', 'anUnforcedDeleteIsRefusedByWhatLives', (config) => {
      set(config, 'live.life.stopping', 'on.container\\.delete', { actions: 'defer' })
    }),
    openRequestsMax: 2,
  },
  provided('nobody is told that the process does not die', 'everyRequestGetsItsReply', {
    actions: { replyStuck: nothing },
  }),
  provided('who asks to stop after that is never told', 'everyRequestGetsItsReply', {
    guards: { nobodyAwaitsDeath: () => false },
  }),

  // Replies
  provided('an accepted command is forgotten', 'everyOpenRequestIsRemembered', {
    actions: { accept: nothing },
  }),
  provided('a refusal is not told', 'everyOpenRequestIsRemembered', { actions: { refuse: nothing } }),
  provided('a command that joins one that waits is refused', 'everyOpenRequestIsRemembered', {
    actions: {
      refuse: enqueueActions(({ event, enqueue }) => {
        if (!isCommand(event)) return
        enqueue.emit({ type: 'replied', ...requestOf(event), outcome: { kind: 'refused' } })
      }),
    },
  }),
  provided('a command that joins one that waits is queued as well', 'everyOpenRequestIsRemembered', {
    actions: {
      defer: enqueueActions(({ context, event, enqueue }) => {
        if (isCommand(event)) enqueue.assign({ deferred: [...context.deferred, event] })
      }),
    },
  }),
  provided('a success is told and not noted', 'everyOpenRequestIsRemembered', {
    actions: {
      succeed: enqueueActions(({ context, enqueue }, { verbs }) => {
        for (const request of context.waiting.filter(({ verb }) => verbs.includes(verb)))
          enqueue.emit({ type: 'replied', ...request, outcome: { kind: 'done' } })
      }),
    },
  }),
  provided('a pause is not told that the process is gone', 'restsWithNothingQueued', {
    actions: { failWhatNeedsTheProcess: nothing },
  }),
  {
    ...provided('a pause is not told that a stop takes over', 'aStopDisappointsAtOnce', {
      actions: { cancelWhatStopPrevents: nothing },
    }),
    openRequestsMax: 2,
  },
  provided('a pause waits for a freezer that never answers', 'everyRequestGetsItsReply', {
    actions: { failDeferred: nothing },
  }),
  without('what waited for running is not taken up', 'restsWithNothingQueued', 'live.life.running', 'entry'),
  without('what waited for the end is not taken up', 'restsWithNothingQueued', 'stopped', 'entry'),
  changed('a delete is accepted where it has to wait', 'restsWithNothingQueued', (config) => {
    set(config, 'exiting', 'on.container\\.delete', { actions: 'accept' })
  }),
  provided('a start that failed is a container that never was', 'failedMeansNeverCreated', {
    guards: { neverCreated: () => true },
  }),
]

function provided(name: string, breaks: string, implementations: Implementations): MachineMutant {
  return { name, breaks, machine: containerMachine.provide(implementations) }
}

function without(name: string, breaks: string, state: string, key: string): MachineMutant {
  return changed(name, breaks, (config) => {
    set(config, state, key, undefined)
  })
}

function changed(name: string, breaks: string, change: (config: Config) => void): MachineMutant {
  const config = copyOf(containerMachine.config)
  if (!isConfig(config)) throw new Error('a machine without a definition')
  change(config)
  // The same names, so the same type; what is missing in it is the point.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const machine = new StateMachine(config as never, containerMachine.implementations) as ContainerMachine
  return { name, breaks, machine }
}

/** Sets a key of a state, `\\.` being a dot within a key. Throws where there is nothing: a mutant must be one. */
function set(config: Config, state: string, key: string, value: unknown): void {
  const path = state.split('.').flatMap((name) => ['states', name])
  const keys = [...path, ...key.split(/(?<!\\)\./).map((part) => part.replaceAll('\\', ''))]
  const last = keys.pop() ?? ''
  let holder: unknown = config
  for (const each of keys) holder = isConfig(holder) ? holder[each] : undefined
  if (!isConfig(holder) || !(last in holder)) throw new Error(`there is no ${key} in ${state}`)
  if (value === undefined) delete holder[last]
  else holder[last] = value
}

/** A copy of the plain objects in it: XState keeps the functions, and so do we. */
function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf)
  if (!isConfig(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyOf(inner)]))
}

function isConfig(value: unknown): value is Config {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
