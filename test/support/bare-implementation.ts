import type { RuntimeImpl } from '../../src/impl/runtime-impl.ts'
import type { SimulatedRuntime } from '../../src/impl/sim/simulated-runtime.ts'

/** The simulated runtime with what an implementation must have, and nothing else. */
export function bare(sim: SimulatedRuntime): RuntimeImpl {
  return {
    create: sim.create.bind(sim),
    start: sim.start.bind(sim),
    signal: sim.signal.bind(sim),
    pause: sim.pause.bind(sim),
    resume: sim.resume.bind(sim),
    observe: sim.observe.bind(sim),
    oomKilled: sim.oomKilled.bind(sim),
    killRemaining: sim.killRemaining.bind(sim),
    cleanUp: sim.cleanUp.bind(sim),
    delete: sim.delete.bind(sim),
    processState: sim.processState.bind(sim),
    exits: sim.exits,
    close: sim.close.bind(sim),
  }
}
