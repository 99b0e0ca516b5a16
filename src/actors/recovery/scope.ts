/** What the steps of a recovery share. */
import type { Container } from '../../container.ts'
import type { Logger } from '../../surroundings/logger.ts'
import type { Clock } from '../../surroundings/clock.ts'
import type { RuntimeImpl } from '../../impl/runtime-impl.ts'
import type { Survivors } from '../../store/state-directory.ts'
import type { StateRecord } from '../../store/state-record.ts'
import type { ContainerActorOptions } from '../actor-world.ts'
import type { ContainerActor } from '../container.actor.ts'
import type { Registry } from '../registry.ts'
import type { Verdict } from './judge.ts'
import type { RecoveryReport } from './report.ts'

export interface RecoveryScope {
  readonly survivors: Survivors | undefined
  readonly registry: Registry
  readonly clock: Clock
  readonly logger: Logger
  readonly limitMs: number
  readonly since: RecoveryReport['since']
  /** All that this runtime has. */
  readonly implementations: readonly RuntimeImpl[]
  /** How a container of that handler is run. ERR_UNKNOWN_HANDLER, ERR_CONFIG. */
  optionsFor(container: Container, handler: string): ContainerActorOptions
  /** Lists it. May throw what the embedder's own store throws. */
  list(container: Container): void
}

/** A container that was taken up, and what is still to be done about it. */
export interface Taken {
  readonly actor: ContainerActor
  readonly verdict: Exclude<Verdict, { kind: 'quarantine' }>
  readonly record: StateRecord
}

/** The report while it is being written. */
export type Findings = {
  -readonly [list in 'quarantined' | 'unresolved']: RecoveryReport[list][number][]
}
