/** A sample of what a container uses, from what was read of it, wherever that was. */
import { totalmem, uptime } from 'node:os'
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import type { Sampling } from '../sampling.ts'
import type { ContainerStats, PressureStalls } from '../stats-port.ts'
import type { CgroupStats } from './cgroup-stats.ts'
import type { NetworkBytes } from './network-bytes.ts'

/** /proc counts in hundredths of a second on every architecture that has containers. */
const nanosPerTick = 10_000_000n
const nanosPerMs = 1_000_000n
const nanosPerSecond = 1e9

/** What was read of a container, wherever it was read. */
export interface StatsReading extends Group {
  readonly network: NetworkBytes | undefined
  readonly init: ProcessIdentity | undefined
}

/** A sample from a reading. ERR_UNSUPPORTED where nobody counts CPU time. */
export function composeStats(
  sampling: Sampling,
  container: Container,
  reading: StatsReading,
): ContainerStats {
  const { counters, psi, network, init, atNano } = reading
  const { cpuNano, memTotalBytes, inactiveFileBytes = 0, throttling, oomKills, pids, block } = counters
  if (cpuNano === undefined) throw noCpuTime(container, reading.isThere)
  const memUsage = memTotalBytes === undefined ? undefined : Math.max(0, memTotalBytes - inactiveFileBytes)
  const memLimit = Math.min(counters.memLimitBytes ?? Infinity, totalmem())
  const cpuReading = { cpuNano, atNano, ageNano: () => ageOf(init) }
  return {
    container: container.id,
    cpu: sampling.cpuPercent(container.id, cpuReading),
    cpuNano,
    systemNano: BigInt(Date.now()) * nanosPerMs,
    memUsage,
    memLimit,
    memPerc: memUsage === undefined ? undefined : memUsage / memLimit,
    netInput: network?.receivedBytes,
    netOutput: network?.sentBytes,
    blockInput: block?.readBytes,
    blockOutput: block?.writtenBytes,
    pids,
    memTotalBytes,
    throttling,
    oomKills,
    psi,
  }
}

export interface Group {
  readonly counters: CgroupStats
  readonly psi: PressureStalls | undefined
  /** False when not one of the files was there. */
  readonly isThere: boolean
  /** When the CPU's counter was read, on the monotonic clock. */
  readonly atNano: bigint
}

function noCpuTime({ id: containerId }: Container, isThere: boolean): OciError {
  const details = { containerId }
  if (isThere)
    return new OciError('ERR_UNSUPPORTED', 'this host has no cgroup that counts CPU time (cpuacct)', details)
  const message = `container ${containerId} has no cgroup: it was not created, is deleted, or has ended`
  return new OciError('ERR_NOT_RUNNING', message, details)
}

/** Nothing when the start is not known, see create.ts. */
function ageOf(init: ProcessIdentity | undefined): bigint {
  if (init === undefined || init.startTicks === '0') return 0n
  return BigInt(Math.round(uptime() * nanosPerSecond)) - BigInt(init.startTicks) * nanosPerTick
}
