/** The simulated runtime as one supervisor has it: every effect takes its time, and none begins once that is dead. */
import { OciError, type RuntimeImpl } from '../../src/index.ts'
import type { SimulatedClock, SimulatedRuntime } from '../../src/testing.ts'
import type { Random } from '../chaos/random.ts'

const latencyMaxMs = 20

interface Options {
  readonly signal: AbortSignal
}

export function mortal(
  sim: SimulatedRuntime,
  { clock, random, isDead }: { clock: SimulatedClock; random: Random; isDead: () => boolean },
): RuntimeImpl {
  const pause = (): Promise<void> =>
    new Promise((resolve) => clock.setTimeout(resolve, random.below(latencyMaxMs)))
  const slow = async <T>({ signal }: Options, effect: () => Promise<T>): Promise<T> => {
    await pause()
    if (isDead() || signal.aborted) throw new OciError('ERR_ABORTED', 'nobody waits for it any more')
    const outcome = await effect()
    await pause()
    return outcome
  }
  return {
    create: (container, options) => slow(options, () => sim.create(container, options)),
    start: (container, options) => slow(options, () => sim.start(container, options)),
    signal: (container, init, signal, options) =>
      slow(options, () => sim.signal(container, init, signal, options)),
    pause: (container, options) => slow(options, () => sim.pause(container, options)),
    resume: (container, options) => slow(options, () => sim.resume(container, options)),
    observe: (container, options) => slow(options, () => sim.observe(container, options)),
    oomKilled: (container, exitCode, options) =>
      slow(options, () => sim.oomKilled(container, exitCode, options)),
    killRemaining: (container, options) => slow(options, () => sim.killRemaining(container, options)),
    cleanUp: (container, options) => slow(options, () => sim.cleanUp(container, options)),
    delete: (container, options) => slow(options, () => sim.delete(container, options)),
    processState: sim.processState.bind(sim),
    schedulingState: sim.schedulingState.bind(sim),
    isFrozen: sim.isFrozen.bind(sim),
    isStarted: sim.isStarted.bind(sim),
    exits: sim.exits,
    close: () => sim.close(),
  }
}
