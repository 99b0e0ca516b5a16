/**
 * A disk that outlives supervisors: it takes its time, refuses for a while, and what a dead supervisor was writing is
 * there or not, as chance has it.
 *
 * A double of the port and not of files: what a torn or foreign file does is for the tests of `src/store`, and what a
 * crash between two system calls does for `test/chaos`.
 */
import { memoryStateDirectory, OciError, type StateDirectory } from '../../src/index.ts'
import type { SimulatedClock } from '../../src/testing.ts'
import type { Random } from '../chaos/random.ts'

const latencyMaxMs = 6

export class SimulatedDisk {
  readonly memory: StateDirectory = memoryStateDirectory()
  readonly #clock: SimulatedClock
  readonly #random: Random
  #refusesUntilMs = 0

  constructor(clock: SimulatedClock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  refuseFor(ms: number): void {
    this.#refusesUntilMs = this.#clock.now() + ms
  }

  /** What one supervisor has of it, until that is dead. */
  mount(isDead: () => boolean): StateDirectory {
    const { memory } = this
    const operate = async (effect: () => Promise<void>): Promise<void> => {
      if (isDead()) throw refusal('the supervisor is dead')
      await this.#take()
      if (this.#clock.now() < this.#refusesUntilMs) throw refusal('no space left on device')
      const cutOff = isDead()
      if (!cutOff || this.#random.below(2) === 0) await effect()
      if (cutOff) throw refusal('the supervisor is dead')
    }
    return {
      prepare: (container, record) => operate(() => memory.prepare(container, record)),
      write: (container, record) => operate(() => memory.write(container, record)),
      forget: (container, onUnlisted) => operate(() => memory.forget(container, onUnlisted)),
      ...(memory.survivors === undefined ? {} : { survivors: memory.survivors }),
    }
  }

  #take(): Promise<void> {
    return new Promise((resolve) => this.#clock.setTimeout(resolve, this.#random.below(latencyMaxMs)))
  }
}

function refusal(why: string): OciError {
  return new OciError('ERR_IO', `the simulated disk refuses: ${why}`)
}
