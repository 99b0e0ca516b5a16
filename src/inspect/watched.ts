/** What the inspector needs of a runtime: its containers' actors, its events, its clock. */
import type { Container } from '../container.ts'
import type { ContainerStats } from '../impl/stats-port.ts'
import type { MachineObserver, MachineSnapshot } from '../actors/start-actor.ts'
import type { EventLog } from '../observe/events.ts'
import type { Clock } from '../surroundings/clock.ts'
import type { Logger } from '../surroundings/logger.ts'

/** One container, read-only. */
export interface WatchedActor {
  readonly container: Container
  readonly snapshot: MachineSnapshot
  /** When its phase was entered, on the runtime's monotonic clock. */
  readonly sinceMs: number
  /** The one observer of its machine, or none. */
  observe(observer: MachineObserver | undefined): void
  readonly side: { stats(): Promise<ContainerStats> }
}

export interface WatchedRuntime {
  readonly clock: Clock
  readonly logger: Logger
  readonly events: EventLog
  readonly registry: {
    readonly actors: readonly WatchedActor[]
    get(id: string): WatchedActor | undefined
  }
}
