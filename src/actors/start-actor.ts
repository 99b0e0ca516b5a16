/**
 * The one place that makes XState actors run: pins what we rely on of the library, so that a move to its next major
 * version is a change here.
 */
import { createActor, getNextTransitions, type Actor, type SnapshotFrom } from 'xstate'
import type { Clock } from '../surroundings/clock.ts'
import type { ContainerMachine } from '../machines/container.machine.ts'
import type { ContainerInput } from '../machines/context.ts'
import type { ContainerMachineEmitted } from '../machines/events.ts'

export type MachineActor = Actor<ContainerMachine>
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
