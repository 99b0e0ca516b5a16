/**
 * `oci-supervisor/testing`: what tests of an orchestrator need, and nothing that belongs into production.
 * `docs/testing.md` tells how to use it.
 */
import type { Container, ContainerState } from './container.ts'
import { checkOptionsObject, publicCall } from './errors/index.ts'

export { SimulatedClock, type SimulatedClockOptions } from './impl/sim/simulated-clock.ts'
export { SimulatedRuntime, type SimulatedRuntimeOptions } from './impl/sim/simulated-runtime.ts'
export type { ContainerSelector, SimulatedEffect, SimulatedFault } from './impl/sim/fault-script.ts'
export type { SimulatedCall } from './impl/sim/simulated-calls.ts'
export type {
  SimulatedCommand,
  SimulatedCommandDescription,
  SimulatedIo,
  SimulatedOutput,
  SimulatedProgram,
  SimulatedReaction,
  SimulatedRun,
  SimulatedUsage,
} from './impl/sim/simulated-program.ts'
export type { CommandSelector, SimulatedListener } from './impl/sim/simulated-script.ts'
export type { SimulatedState } from './impl/sim/simulated-world.ts'
export {
  containerSpecification,
  heededStopExitCode,
  ownExitCode,
  specificationEvents,
  specificationStates,
  type SpecificationContext,
  type SpecificationEventType,
  type SpecificationState,
  type SpecifiedExit,
} from './model/container.specification.ts'
export { coverEdges, type Edge, type EdgeCover, type Path } from './model/edge-cover.ts'

/**
 * Gives a container that no runtime has registered any state, for code that only reads it. ERR_WRONG_STATUS once a
 * runtime has registered it: from then on its machine is the only writer. Parity: SetState.
 *
 * @example
 * const container = new Container({ id: 'web', bundlePath: '/bundles/web' })
 * setState(container, { status: 'running', pid: 4711 })
 */
export function setState(container: Container, state: Partial<ContainerState>): void {
  publicCall({ operation: 'setState' }, () => {
    checkOptionsObject(container, 'setState', 'container')
    checkOptionsObject(state, 'setState', 'state')
    container.seedState(state)
  })
}
