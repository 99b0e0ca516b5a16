/** What a container's actor is given, and what it tells. */
import type { Clock } from '../surroundings/clock.ts'
import type { Container, ContainerPhase } from '../container.ts'
import type { ExecExit } from '../impl/exec-port.ts'
import type { RuntimeImpl } from '../impl/runtime-impl.ts'
import type { Logger } from '../surroundings/logger.ts'
import type { ContainerMachine } from '../machines/container.machine.ts'
import type { Adoption } from '../machines/context.ts'
import type { ContainerLimits } from '../machines/delays.ts'
import type { ContainerCommand, LifecycleEvent } from '../machines/events.ts'
import type { StateDirectory } from '../store/state-directory.ts'
import type { StateRecord } from '../store/state-record.ts'
import type { ContainerActor } from './container.actor.ts'
import type { Lanes } from './lanes.ts'
import type { MonitorPolicyOf } from './monitor-policy.ts'
import type { MonitorProbe } from './monitor-probe.ts'

/** A change of phase, as observers see it. */
export interface PhaseChange {
  readonly type: 'phase'
  readonly from: ContainerPhase
  readonly to: ContainerPhase
  /** How long the phase before lasted. */
  readonly inPhaseMs: number
}

/**
 * What happens to a command that was started in a container. Commands of `execSync` are not told of: probes would drown
 * everything else.
 */
export type ExecChange =
  | { readonly type: 'execStarted'; readonly execId: string; readonly pid: number }
  | { readonly type: 'execExited'; readonly execId: string; readonly exit: ExecExit }

/** What every container's actor shares. */
export interface ActorWorld {
  readonly machine: ContainerMachine
  readonly clock: Clock
  readonly logger: Logger
  readonly probe: MonitorProbe
  readonly disk: StateDirectory
  /** At most so many state files are written at once, over all containers. */
  readonly writeLanes: Lanes
  /** Of this host, undefined where there is none. */
  readonly bootId: string | undefined
  /** Never throws. */
  readonly onMonitorLost: MonitorPolicyOf
  /** Never throws. */
  publish(containerId: string, event: LifecycleEvent | PhaseChange | ExecChange): void
  /** The container is deleted: its id is free. Never throws. */
  ended(actor: ContainerActor): void
}

export interface ContainerActorOptions {
  readonly container: Container
  readonly impl: RuntimeImpl
  readonly limits: ContainerLimits
  readonly handler: string
  readonly runtimeRoot: string
  readonly adopt?: Adoption | undefined
  /** What is on disk of an adopted container. */
  readonly record?: StateRecord | undefined
}

/** Without the request's id, which the actor gives. */
export type Command = ContainerCommand extends infer C
  ? C extends unknown
    ? Omit<C, 'requestId'>
    : never
  : never
