/** What subscribers of a runtime's events see. Everything is plain data but the errors, and frozen. */
import type { ExecChange, PhaseChange } from '../actors/actor-world.ts'
import type { Timestamp } from '../container.ts'
import type { LifecycleEvent } from '../machines/events.ts'

/**
 * A place in a runtime's event stream. Within one epoch `seq` grows by one per event; every opened runtime begins an
 * epoch of its own.
 */
export interface EventCursor {
  readonly epoch: string
  readonly seq: number
}

/** A change of phase. `inPhaseMs` is how long the container was in `from`. */
export type PhaseEvent = PhaseChange

/** A command that `startExec` runs in a container has started, or ended. */
export type ExecEvent = ExecChange

/** Something that happened to one container. */
export type ContainerEvent = {
  readonly cursor: EventCursor
  readonly at: Timestamp
  readonly containerId: string
} & (LifecycleEvent | PhaseEvent | ExecEvent)

export type ContainerEventType = ContainerEvent['type']

/** Events that this subscriber cannot get any more; those that follow are complete again. */
export interface DroppedEvent {
  readonly type: 'dropped'
  /**
   * How many. Exact, and only of events that pass the filter, where the subscriber was too slow; where `since` is older
   * than the history, all events since then, as nobody can filter them any more. Undefined when `since` is of another
   * epoch, which nobody can count.
   */
  readonly count: number | undefined
  /** The first one missing. */
  readonly cursor: EventCursor
}

export type SupervisorEvent = ContainerEvent | DroppedEvent

/** Events pass when they match every list that is given. `dropped` always passes. */
export type EventFilter =
  | { readonly ids?: readonly string[]; readonly types?: readonly ContainerEventType[] }
  | ((event: ContainerEvent) => boolean)

export interface EventsOptions {
  /** Aborting ends the iteration, without an error and without what was not read yet. */
  readonly signal?: AbortSignal | undefined
  readonly filter?: EventFilter | undefined
  /** Everything after this event. Default: after the call. */
  readonly since?: EventCursor | undefined
}
