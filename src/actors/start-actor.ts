/**
 * The one place that makes XState actors run: pins what we rely on of the library, so that a move to its next major
 * version is a change here.
 */
import {
  createActor,
  getNextTransitions,
  type Actor,
  type InspectionEvent,
  type SnapshotFrom,
  type StateValue,
  type Subscription,
} from 'xstate'
import type { Clock } from '../surroundings/clock.ts'
import type { ContainerMachine } from '../machines/container.machine.ts'
import type { ContainerInput } from '../machines/context.ts'
import type { ContainerMachineEmitted } from '../machines/events.ts'

export type MachineActor = Actor<ContainerMachine>
export type MachineObservation = Subscription
export type MachineSnapshot = SnapshotFrom<ContainerMachine>

export interface MachineListener {
  readonly clock: Clock
  emitted(event: ContainerMachineEmitted): void
  /** After every step, with all that the step emitted delivered before. Must not throw. */
  stepped(snapshot: MachineSnapshot): void
  /** The machine is dead: an action, guard or mapper threw. It will not answer again. */
  died(error: unknown): void
}

/**
 * Makes one root actor (a system of its own, so that its cost does not grow with the number of containers), not started.
 * Invariant: every subscription has an error handler; without one XState throws the error at the embedder's process.
 */
export function createMachineActor(
  machine: ContainerMachine,
  input: ContainerInput,
  listener: MachineListener,
): MachineActor {
  const actor = createActor(machine, { input, clock: xstateClock(listener.clock) })
  actor.on('*', (event) => {
    listener.emitted(event)
  })
  actor.subscribe({
    next: (snapshot) => {
      listener.stepped(snapshot)
    },
    error: (error) => {
      listener.died(error)
    },
  })
  return actor
}

/** Sees everything that XState does in one machine, in the middle of its step: it must be quick. */
export type MachineObserver = (event: InspectionEvent) => void

/** One transition of a machine: what caused it, where it led, which arrows of the definition were taken. */
export interface MachineStep {
  readonly event: { readonly type: string }
  readonly value: StateValue
  /** `source id|event type|target ids`, as in a drawn statechart. */
  readonly taken: readonly string[]
}

/** Undefined for everything else that is observed. */
export function stepOf(observed: InspectionEvent): MachineStep | undefined {
  if (observed.type !== '@xstate.microstep' || !hasValue(observed.snapshot)) return undefined
  // oxlint-disable-next-line no-underscore-dangle -- nothing else says which of several arrows was taken
  const taken = observed._transitions.map(({ eventType, source, target = [] }) => {
    const targets = [...target].map(nodeId).join('+')
    return `${nodeId(source)}|${String(eventType)}|${targets}`
  })
  return { event: observed.event, value: observed.snapshot.value, taken }
}

/** The ids of all states that are active, parents before their children. */
export function activeStates(snapshot: MachineSnapshot): readonly string[] {
  // oxlint-disable-next-line no-underscore-dangle -- the state value would have to be walked with the definition
  return snapshot._nodes.map(({ id }) => id)
}

function nodeId({ id }: { readonly id: string }): string {
  return id
}

function hasValue(snapshot: object): snapshot is { readonly value: StateValue } {
  return 'value' in snapshot
}

/** Shows `observer` what happens from now on. What it throws XState would throw at the machine; here it is lost. */
export function observeMachine(actor: MachineActor, observer: MachineObserver): MachineObservation {
  return actor.system.inspect((event) => {
    try {
      observer(event)
    } catch {
      // Whoever observes has to keep its own failures.
    }
  })
}

/** The commands that the states of `snapshot` name themselves, without the root's refusals. */
export function permittedCommands(snapshot: MachineSnapshot): string[] {
  const own = getNextTransitions(snapshot).filter(({ source }) => source.parent !== undefined)
  const events = new Set(own.map(({ eventType }) => String(eventType)))
  return [...events].filter(isCommandType).map(withoutPrefix).toSorted()
}

const prefix = 'container.'

function withoutPrefix(eventType: string): string {
  return eventType.slice(prefix.length)
}

function isCommandType(eventType: string): boolean {
  if (!eventType.startsWith(prefix)) return false
  return eventType !== 'container.exited' && eventType !== 'container.observed'
}

function xstateClock(clock: Clock): {
  setTimeout(fn: (...args: unknown[]) => void, timeout: number): unknown
  clearTimeout(id: unknown): void
} {
  return {
    setTimeout: (fn, timeoutMs) => clock.setTimeout(fn, timeoutMs),
    clearTimeout: (timer) => {
      clock.clearTimeout(timer)
    },
  }
}
