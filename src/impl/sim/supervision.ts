/** What the verbs of one supervisor's runtime share: the containers there are, the test's script, and the way to call an effect. */
import type { Container } from '../../container.ts'
import type { Logger } from '../../surroundings/logger.ts'
import type { Clock } from '../../surroundings/clock.ts'
import type { SimulatedEffect } from './fault-script.ts'
import type { SimulatedContainer } from './simulated-container.ts'
import type { SimulatedScript } from './simulated-script.ts'

export interface Supervision {
  readonly script: SimulatedScript
  readonly clock: Clock
  readonly logger: Logger
  /** Aborted when the runtime is closed. */
  readonly closing: AbortSignal
  /** The container as it is when an effect is called; looked at later it may be gone, and never is another of its id. */
  readonly existing: (container: Container) => () => SimulatedContainer | undefined
  /** Calls an effect, with the faults that were asked for. */
  readonly run: <T>(
    effect: SimulatedEffect,
    container: Container,
    signal: AbortSignal | undefined,
    act: () => T | Promise<T>,
  ) => Promise<T>
}
