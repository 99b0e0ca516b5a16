/**
 * A container's life as an embedder sees it: the states in which it rests, and between them commands and what else may
 * befall it. Our own tests walk it on every implementation; yours may walk it on your orchestrator.
 *
 * Written from the contract and not from the production machine, with which it shares no line. Deliberately not here:
 * transient states, time and races. Every event is over before the next one begins.
 */
import { assign, setup } from 'xstate'
import type { ExitStatus } from '../container.ts'

/** An exit code, or why there is none. */
export type SpecifiedExit = number | Extract<ExitStatus, { kind: 'unknown' }>['why']

/** What the specification knows of a container beside its state. */
export interface SpecificationContext {
  /** What the program does when it is sent the stop signal. It is given with the create and so cannot be chosen later. */
  readonly program: 'heedful' | 'deaf' | undefined
  readonly monitor: 'alive' | 'lost'
  readonly exit: SpecifiedExit | undefined
}

/** What the heedful program exits with when it is sent the stop signal. */
export const heededStopExitCode = 7
/** What either program exits with by itself. */
export const ownExitCode = 3
const killedExitCode = 137

/** Everything that the specification knows to happen: commands, what refuses them, and what befalls a container. */
export const specificationEvents = [
  'create.heedful',
  'create.deaf',
  'create.fails',
  'create.refused',
  'start',
  'start.refused',
  'pause',
  'pause.refused',
  'unpause',
  'unpause.refused',
  'refresh',
  'stop.gracefully',
  'stop.ignored',
  'stop.now',
  'stop.unstarted',
  'stop.again',
  'stop.refused',
  'exit.by.itself',
  'killed.from.outside',
  'killed.while.frozen',
  'frozen.from.outside',
  'thawed.from.outside',
  'monitor.killed',
  'delete',
  'delete.by.force',
  'delete.refused',
  'id.used.again',
] as const
export type SpecificationEventType = (typeof specificationEvents)[number]

/** The states in which a container rests. */
export const specificationStates = [
  'absent',
  'created',
  'running',
  'paused',
  'failed',
  'stopped',
  'swept',
  'deleted',
] as const
export type SpecificationState = (typeof specificationStates)[number]

const types: { context?: SpecificationContext; events?: { readonly type: SpecificationEventType } } = {}

const specification = setup({
  types,
  actions: {
    program: assign((_, { program }: { program: 'heedful' | 'deaf' }) => ({ program })),
    loseMonitor: assign({ monitor: 'lost' }),
    /** Without its monitor nobody can say how a process ended. */
    end: assign(({ context }, { code }: { code: number }) => ({
      program: undefined,
      monitor: 'alive' as const,
      exit: context.monitor === 'lost' ? ('monitor-lost' as const) : code,
    })),
    endUnseen: assign({ program: undefined, monitor: 'alive', exit: 'monitor-lost' }),
  },
  guards: {
    heeds: ({ context }) => context.program === 'heedful',
    ignores: ({ context }) => context.program === 'deaf',
    isMonitored: ({ context }) => context.monitor === 'alive',
  },
})

const endWith = (code: number) => ({ type: 'end', params: { code } }) as const

/** Events that leave everything as it is. */
function staysAt<State extends string>(
  target: State,
  ...events: readonly SpecificationEventType[]
): Partial<Record<SpecificationEventType, { target: State }>> {
  return Object.fromEntries(events.map((event) => [event, { target }]))
}

/** How a container with a started process ends, frozen or not. */
const ends = {
  'stop.gracefully': { guard: 'heeds', target: 'stopped', actions: endWith(heededStopExitCode) },
  'stop.ignored': { guard: 'ignores', target: 'stopped', actions: endWith(killedExitCode) },
  'stop.now': { target: 'stopped', actions: endWith(killedExitCode) },
  'delete.by.force': { target: 'deleted', actions: endWith(killedExitCode) },
} as const

/**
 * The specification as an XState machine without input, effects or timers: every event is over before the next begins.
 * `coverEdges(containerSpecification, …)` makes tests of it; `docs/testing.md` has an example.
 */
export const containerSpecification = specification.createMachine({
  id: 'specification',
  context: { program: undefined, monitor: 'alive', exit: undefined },
  initial: 'absent',
  states: {
    /** Described, and unknown to the runtime. */
    absent: {
      on: {
        'create.heedful': { target: 'created', actions: { type: 'program', params: { program: 'heedful' } } },
        'create.deaf': { target: 'created', actions: { type: 'program', params: { program: 'deaf' } } },
        'create.fails': { target: 'failed' },
        ...staysAt(
          'absent',
          'start.refused',
          'pause.refused',
          'unpause.refused',
          'stop.refused',
          'delete.refused',
        ),
      },
    },
    created: {
      on: {
        start: { target: 'running' },
        // It waits in the runtime's own code, deaf to the stop signal.
        'stop.unstarted': { target: 'stopped', actions: endWith(killedExitCode) },
        'delete.by.force': { target: 'deleted', actions: endWith(killedExitCode) },
        'killed.from.outside': { target: 'stopped', actions: endWith(killedExitCode) },
        // Started without a monitor it would have neither exit nor log, so it is swept away.
        'monitor.killed': { target: 'swept', actions: 'endUnseen' },
        ...staysAt(
          'created',
          'create.refused',
          'pause.refused',
          'unpause.refused',
          'delete.refused',
          'refresh',
        ),
      },
    },
    running: {
      on: {
        pause: { target: 'paused' },
        'frozen.from.outside': { target: 'paused' },
        'monitor.killed': { guard: 'isMonitored', target: 'running', actions: 'loseMonitor' },
        ...ends,
        'exit.by.itself': { target: 'stopped', actions: endWith(ownExitCode) },
        'killed.from.outside': { target: 'stopped', actions: endWith(killedExitCode) },
        ...staysAt(
          'running',
          'create.refused',
          'start.refused',
          'unpause.refused',
          'delete.refused',
          'refresh',
        ),
      },
    },
    paused: {
      on: {
        unpause: { target: 'running' },
        'thawed.from.outside': { target: 'running' },
        'monitor.killed': { guard: 'isMonitored', target: 'paused', actions: 'loseMonitor' },
        ...ends,
        'killed.while.frozen': { target: 'stopped', actions: endWith(killedExitCode) },
        ...staysAt('paused', 'create.refused', 'start.refused', 'pause.refused', 'delete.refused', 'refresh'),
      },
    },
    /** It could not be created; nothing of it is left in the world. */
    failed: {
      on: {
        delete: { target: 'deleted' },
        ...staysAt(
          'failed',
          'create.refused',
          'start.refused',
          'pause.refused',
          'unpause.refused',
          'stop.again',
          'refresh',
        ),
      },
    },
    /** Its process is dead, and the runtime still knows it. */
    stopped: {
      on: {
        delete: { target: 'deleted' },
        ...staysAt(
          'stopped',
          'create.refused',
          'start.refused',
          'pause.refused',
          'unpause.refused',
          'stop.again',
          'refresh',
        ),
      },
    },
    /** Stopped, and nothing of it is left in the world. */
    swept: {
      on: {
        delete: { target: 'deleted' },
        ...staysAt(
          'swept',
          'create.refused',
          'start.refused',
          'pause.refused',
          'unpause.refused',
          'stop.again',
          'refresh',
        ),
      },
    },
    deleted: {
      on: {
        ...staysAt(
          'deleted',
          'start.refused',
          'pause.refused',
          'unpause.refused',
          'stop.refused',
          'delete.refused',
          'id.used.again',
        ),
      },
    },
  },
})
