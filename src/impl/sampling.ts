/**
 * What is remembered from one sample of a container to its next, and how many are taken at once.
 *
 * Invariant: bounded. A container that is forgotten costs nothing; one that nobody forgets is dropped when there are too
 * many, and its next sample is a first one again.
 */
import { OciError } from '../errors/index.ts'

interface CpuSample {
  readonly cpuNano: bigint
  readonly atNano: bigint
  readonly percent: number
}

/** A reading of a container's CPU counter. */
export interface CpuReading {
  readonly cpuNano: bigint
  /** On the monotonic clock. */
  readonly atNano: bigint
  /** How long the container's process has run; asked only when there is no reading before. */
  readonly ageNano: () => bigint
}

/** The kernel brings the counter up to date once in a tick, which is up to 10 ms. */
const windowMinNano = 100_000_000n
const containersMax = 10_000
/** Node's pool has four threads, for all of the process. Two of them stay free for everybody else. */
const samplesAtOnceMax = 2
const waitingMax = 20_000

export class Sampling {
  readonly #latest = new Map<string, CpuSample>()
  readonly #waiting: (() => void)[] = []
  #running = 0

  /** Percent of one CPU since the reading before, see ContainerStats.cpu. */
  cpuPercent(id: string, reading: CpuReading): number {
    const before = this.#latest.get(id)
    const comparable = before !== undefined && before.cpuNano <= reading.cpuNano
    if (comparable && reading.atNano - before.atNano < windowMinNano) return before.percent
    const percent = comparable
      ? percentOf(reading.cpuNano - before.cpuNano, reading.atNano - before.atNano)
      : percentOf(reading.cpuNano, reading.ageNano())
    // Deleted first: a Map keeps the order of insertion, and the one that was not sampled for longest is to go.
    this.#latest.delete(id)
    this.#latest.set(id, { cpuNano: reading.cpuNano, atNano: reading.atNano, percent })
    this.#dropOldest()
    return percent
  }

  forget(id: string): void {
    this.#latest.delete(id)
  }

  /** Runs `sample` when it is its turn. ERR_BUSY when too many wait. */
  async inTurn<Result>(sample: () => Promise<Result>): Promise<Result> {
    await this.#turn()
    try {
      return await sample()
    } finally {
      this.#running -= 1
      this.#waiting.shift()?.()
    }
  }

  #turn(): Promise<void> {
    if (this.#running < samplesAtOnceMax) {
      this.#running += 1
      return Promise.resolve()
    }
    if (this.#waiting.length >= waitingMax) {
      const message = `${waitingMax} samples wait already: ask again when some have been answered`
      throw new OciError('ERR_BUSY', message)
    }
    return new Promise((resolve) => {
      this.#waiting.push(() => {
        this.#running += 1
        resolve()
      })
    })
  }

  #dropOldest(): void {
    if (this.#latest.size <= containersMax) return
    const [oldest] = this.#latest.keys()
    if (oldest !== undefined) this.#latest.delete(oldest)
  }
}

function percentOf(usedNano: bigint, elapsedNano: bigint): number {
  return elapsedNano <= 0n ? 0 : (Number(usedNano) / Number(elapsedNano)) * 100
}
