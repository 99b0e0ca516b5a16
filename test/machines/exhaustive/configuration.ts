/**
 * One machine and its world at one moment, and what one event makes of the machine. The machine is the production one,
 * run by its pure transition function: nothing is invoked, no timer runs, what it asks for is written down.
 */
import { createActor, type AnyActorScope, type AnyTransitionDefinition, type SnapshotFrom } from 'xstate'
import type { ContainerMachine } from '../../../src/machines/container.machine.ts'
import { frozenKillsMax, retryAttemptsMax } from '../../../src/machines/delays.ts'
import type { ContainerContext, ContainerInput } from '../../../src/machines/context.ts'
import type { DeleteInput, EffectInput, SettleInput } from '../../../src/machines/effects.ts'
import type { ContainerMachineEmitted, ContainerMachineEvent, Verb } from '../../../src/machines/events.ts'
import { phaseOf } from '../../../src/machines/phase.ts'
import type { ContainerPhase } from '../../../src/container.ts'
import { edgesTakenIn, uncountedActorId } from '../machine-edges.ts'
import type { World } from './world.ts'

export type Snapshot = SnapshotFrom<ContainerMachine>

export interface Timer {
  readonly id: string
  readonly event: ContainerMachineEvent
  readonly dueMs: number
}

type CallInput = EffectInput & Partial<SettleInput & DeleteInput>

/** An effect under way. */
export interface Call {
  readonly id: string
  readonly effect: string
  readonly input: CallInput
  /** It has come true in the world and not answered yet. */
  readonly isApplied: boolean
}

export interface OpenRequest {
  readonly requestId: number
  readonly verb: Verb
}

export interface Configuration {
  readonly snapshot: Snapshot
  readonly world: World
  readonly nowMs: number
  readonly timers: readonly Timer[]
  readonly calls: readonly Call[]
  /** Asked and not answered, in the order they were asked. */
  readonly requests: readonly OpenRequest[]
  /** What was told of its life, in order; what may be told any number of times is left out. */
  readonly told: readonly string[]
  /** A clean-up was given up on: the world may hold what nobody knows of. */
  readonly gaveUp: boolean
}

/** What one event brought about. */
export interface Step {
  readonly snapshot: Snapshot
  readonly timers: readonly Timer[]
  readonly calls: readonly Call[]
  /** Calls whose state was left before they answered. */
  readonly aborted: readonly Call[]
  readonly emitted: readonly ContainerMachineEmitted[]
}

type Asked = Parameters<AnyActorScope['actionExecutor']>[0]

/** Runs the machine one event at a time, without an actor for each: there are too many. */
export class Stepper {
  readonly taken = new Set<AnyTransitionDefinition>()
  readonly #machine: ContainerMachine
  readonly #scope: AnyActorScope
  #asked: Asked[] = []

  constructor(machine: ContainerMachine, input: ContainerInput) {
    this.#machine = machine
    const self = createActor(machine, { input, id: uncountedActorId })
    self.system.inspect((event) => {
      for (const edge of edgesTakenIn(event)) this.taken.add(edge)
    })
    this.#scope = {
      self,
      id: '',
      sessionId: '',
      system: self.system,
      logger: () => undefined,
      defer: () => undefined,
      emit: () => undefined,
      stopChild: () => undefined,
      actionExecutor: (action) => {
        this.#asked.push(action)
      },
    }
  }

  begin(input: ContainerInput): Step {
    this.#asked = []
    const snapshot = this.#machine.getInitialSnapshot(this.#scope, input)
    return this.#stepFrom({ nowMs: 0, timers: [], calls: [] }, snapshot)
  }

  send(before: Configuration, event: ContainerMachineEvent): Step {
    this.#asked = []
    const snapshot = this.#machine.transition(before.snapshot, event, this.#scope)
    return this.#stepFrom(before, snapshot)
  }

  #stepFrom(
    { nowMs, timers: armed, calls: running }: Pick<Configuration, 'nowMs' | 'timers' | 'calls'>,
    snapshot: Snapshot,
  ): Step {
    const timers = new Map(armed.map((timer) => [timer.id, timer]))
    const calls = new Map(running.map((call) => [call.id, call]))
    const emitted: ContainerMachineEmitted[] = []
    for (const asked of this.#asked) {
      if (isAsked(asked, 'xstate.raise') && asked.params.delay !== undefined) {
        const { id, event, delay } = asked.params
        timers.set(id, { id, event, dueMs: nowMs + delay })
      } else if (isAsked(asked, 'xstate.cancel')) timers.delete(asked.params.sendId)
      else if (isAsked(asked, 'xstate.emit')) emitted.push(asked.params.event)
      else if (isAsked(asked, 'xstate.spawnChild')) {
        const { id, src, input } = asked.params
        calls.set(id, { id, effect: src, input, isApplied: false })
      }
    }
    const invoked = new Set(snapshot.status === 'active' ? invokesIn(snapshot) : [])
    const kept = [...calls.values()].filter(({ id }) => invoked.has(id))
    const aborted = running.filter((call) => !kept.includes(call))
    return { snapshot, timers: [...timers.values()], calls: kept, aborted, emitted }
  }
}

/** The ids of what the states of `snapshot` invoke. */
function invokesIn(snapshot: Snapshot): string[] {
  // oxlint-disable-next-line eslint/no-underscore-dangle
  return snapshot._nodes.flatMap(({ invoke }) => invoke.map(({ id }) => id))
}

interface AskedParams {
  readonly 'xstate.raise': {
    readonly id: string
    readonly event: ContainerMachineEvent
    readonly delay: number | undefined
  }
  readonly 'xstate.cancel': { readonly sendId: string }
  readonly 'xstate.emit': { readonly event: ContainerMachineEmitted }
  readonly 'xstate.spawnChild': { readonly id: string; readonly src: string; readonly input: CallInput }
}

/** XState types what a machine asks for as `unknown`; these are its built-in actions as 5.33 resolves them. */
function isAsked<Type extends keyof AskedParams>(
  asked: Asked,
  type: Type,
): asked is Asked & { params: AskedParams[Type] } {
  return asked.type === type
}

/** What an effect answers, as XState tells its machine. */
export function answer(
  { id }: Call,
  outcome: { readonly output: unknown } | { readonly error: unknown },
): ContainerMachineEvent {
  const kind = 'error' in outcome ? 'error' : 'done'
  const event: unknown = { type: `xstate.${kind}.actor.${id}`, actorId: id, ...outcome }
  // Not among the events that may be sent, which is why nobody else can send it.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return event as ContainerMachineEvent
}

/**
 * Two configurations with one key are the same for all that is asked here. Left out: times but for whether a deadline has
 * passed, ids of requests, texts, counts beyond those that matter, and what no state from here on looks at.
 */
export function keyOf({ snapshot, world, nowMs, timers, calls, told, gaveUp }: Configuration): string {
  const { value, context, status } = snapshot
  const { waiting, deferred } = context
  const phase = phaseOf(value)
  return JSON.stringify([
    status,
    value,
    isOverPhase(phase)
      ? [context.created !== undefined, context.uncleaned, attemptsThatMatter(context, phase)]
      : knowledgeOf(context, nowMs, phase),
    waiting.map(({ verb }) => verb).toSorted(),
    deferred.map((command) => ('force' in command ? `${command.type} ${command.force}` : command.type)),
    isOverPhase(phase) ? [world.process, world.late] : Object.values(world),
    timers.map(timerKey).toSorted(),
    calls.map(({ id, input, isApplied }) => [id, isApplied, input.reported === undefined]),
    told,
    gaveUp,
  ])
}

function isOverPhase(phase: ContainerPhase): boolean {
  return phase === 'failed' || phase === 'stopped' || phase === 'deleting' || phase === 'deleted'
}

/** A deadline further away than a timer can hold is armed again. */
function timerKey({ id, event }: Timer): string {
  return 'remainingMs' in event && event.remainingMs > 0 ? `${id} again` : id
}

function knowledgeOf(context: ContainerContext, nowMs: number, phase: ContainerPhase): unknown[] {
  const { created, started, reported, goneAt, monitorLostAt, exit, error, stop, maybeFrozen } = context
  const isKnown = [created, started, goneAt, monitorLostAt, error].map((fact) => fact !== undefined)
  const ending = exit?.kind === 'unknown' ? exit.why : exit?.code
  return [
    ...isKnown,
    reported?.code,
    ending,
    exit?.oomKilled,
    stop === undefined || stop.due ? stop?.due : deadlineClass(stop.deadlineMs, nowMs),
    attemptsThatMatter(context, phase),
    maybeFrozen,
    // Stopping tells of no more freezing and thawing.
    phase.startsWith('stopping') || phase === 'exiting' ? undefined : context.announcedPaused,
    context.durable,
    context.uncleaned,
  ]
}

function deadlineClass(deadlineMs: number, nowMs: number): string {
  if (deadlineMs === Number.POSITIVE_INFINITY) return 'never'
  return deadlineMs <= nowMs ? 'past' : 'ahead'
}

function attemptsThatMatter({ attempts, maybeFrozen }: ContainerContext, phase: ContainerPhase): number {
  if (phase === 'cleaning' || phase === 'deleting') return Math.min(attempts, retryAttemptsMax)
  if (phase === 'observing') return Math.min(attempts, retryAttemptsMax)
  return phase === 'stopping.killing' && maybeFrozen ? Math.min(attempts, frozenKillsMax) : 0
}
