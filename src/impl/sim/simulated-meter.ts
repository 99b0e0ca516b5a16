/**
 * What a simulated container has used so far: its processes' use, as their programs tell, over the time they have run.
 * Counters follow the clock and nothing else.
 */
import type { Clock } from '../../surroundings/clock.ts'
import { unlimited, type Limits } from '../requests/resources.ts'
import type { CpuThrottling } from '../stats-port.ts'
import type { SimulatedUsage } from './simulated-program.ts'

/** What is used at this moment, by all processes that run. */
export interface UsageRates {
  readonly cpuPercent: number
  readonly netInputBytesPerSecond: number
  readonly netOutputBytesPerSecond: number
  readonly blockInputBytesPerSecond: number
  readonly blockOutputBytesPerSecond: number
}

export interface MeterReading {
  readonly cpuNano: bigint
  readonly throttling: CpuThrottling
  readonly netInputBytes: number
  readonly netOutputBytes: number
  readonly blockInputBytes: number
  readonly blockOutputBytes: number
}

const cpuDefaultPercent = 1
const memoryDefaultBytes = 1_048_576
const periodDefaultUs = 100_000
const nanosPerMs = 1e6

const idle: UsageRates = ratesOf([])

export function ratesOf(usages: readonly SimulatedUsage[]): UsageRates {
  const sum = (of: (usage: SimulatedUsage) => number | undefined): number =>
    usages.reduce((total, usage) => total + (of(usage) ?? 0), 0)
  return {
    cpuPercent: sum(({ cpuPercent = cpuDefaultPercent }) => cpuPercent),
    netInputBytesPerSecond: sum((usage) => usage.netInputBytesPerSecond),
    netOutputBytesPerSecond: sum((usage) => usage.netOutputBytesPerSecond),
    blockInputBytesPerSecond: sum((usage) => usage.blockInputBytesPerSecond),
    blockOutputBytesPerSecond: sum((usage) => usage.blockOutputBytesPerSecond),
  }
}

export function memoryOf(usages: readonly SimulatedUsage[]): number {
  return usages.reduce((total, { memoryBytes = memoryDefaultBytes }) => total + memoryBytes, 0)
}

export function pidsOf(usages: readonly SimulatedUsage[]): number {
  return usages.reduce((total, { pids = 1 }) => total + pids, 0)
}

export class SimulatedMeter {
  readonly #clock: Clock
  #rates = idle
  #limits: Limits = {}
  #sinceMs: number
  #cpuMs = 0
  #throttledMs = 0
  #periods = 0
  #throttledPeriods = 0
  #bytes = { netInput: 0, netOutput: 0, blockInput: 0, blockOutput: 0 }

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sinceMs = clock.now()
  }

  /** From now on so much is used, under these limits. */
  set(rates: UsageRates, limits: Limits): void {
    this.#count()
    this.#rates = rates
    this.#limits = limits
  }

  read(): MeterReading {
    this.#count()
    const { netInput, netOutput, blockInput, blockOutput } = this.#bytes
    return {
      cpuNano: nanosOf(this.#cpuMs),
      throttling: {
        periods: Math.floor(this.#periods),
        throttledPeriods: Math.floor(this.#throttledPeriods),
        throttledNano: nanosOf(this.#throttledMs),
      },
      netInputBytes: Math.floor(netInput),
      netOutputBytes: Math.floor(netOutput),
      blockInputBytes: Math.floor(blockInput),
      blockOutputBytes: Math.floor(blockOutput),
    }
  }

  #count(): void {
    const nowMs = this.#clock.now()
    const passedMs = nowMs - this.#sinceMs
    this.#sinceMs = nowMs
    this.#countCpu(passedMs)
    const bytes = this.#bytes
    const seconds = passedMs / 1000
    bytes.netInput += this.#rates.netInputBytesPerSecond * seconds
    bytes.netOutput += this.#rates.netOutputBytesPerSecond * seconds
    bytes.blockInput += this.#rates.blockInputBytesPerSecond * seconds
    bytes.blockOutput += this.#rates.blockOutputBytesPerSecond * seconds
  }

  /** What is wanted beyond the quota is waited for. */
  #countCpu(passedMs: number): void {
    const { cpuQuotaUs = unlimited, cpuPeriodUs = periodDefaultUs } = this.#limits
    const wanted = this.#rates.cpuPercent / 100
    const quota = cpuQuotaUs === unlimited ? Infinity : cpuQuotaUs / cpuPeriodUs
    this.#cpuMs += passedMs * Math.min(wanted, quota)
    if (quota === Infinity || wanted === 0) return
    const periods = (passedMs * 1000) / cpuPeriodUs
    this.#periods += periods
    if (wanted <= quota) return
    this.#throttledPeriods += periods
    this.#throttledMs += passedMs * (1 - quota / wanted)
  }
}

function nanosOf(ms: number): bigint {
  return BigInt(Math.round(ms * nanosPerMs))
}
