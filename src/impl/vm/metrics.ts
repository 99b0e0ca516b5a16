/** What a shim says that its container uses, of either version of cgroups, in the terms of ours. */
import { OciError } from '../../errors/index.ts'
import type { BlockBytes, CgroupStats } from '../host/cgroup-stats.ts'
import type { NetworkBytes } from '../host/network-bytes.ts'
import type { PressureStall, PressureStalls } from '../stats-port.ts'
import { unpackMessage } from './messages/any.ts'
import {
  MetricsSchema as MetricsV1Schema,
  type Metrics as MetricsV1,
} from './messages/generated/metrics-v1_pb.ts'
import {
  MetricsSchema as MetricsV2Schema,
  type Metrics as MetricsV2,
  type PSIData,
  type PSIStats,
} from './messages/generated/metrics-v2_pb.ts'
import { Task } from './messages/generated/task_pb.ts'
import type { Shim } from './shim/connection.ts'

export interface TaskMetrics {
  readonly counters: CgroupStats
  readonly psi: PressureStalls | undefined
  /** Where the shim counts them: runc's does not. */
  readonly network: NetworkBytes | undefined
}

const answerMs = 10_000
const nanosPerMicro = 1000n

/** Throws ERR_UNSUPPORTED for metrics of a kind that is not known, and what the shim answers. */
export async function readMetrics(shim: Shim, id: string, signal?: AbortSignal): Promise<TaskMetrics> {
  const { stats } = await shim.call(Task.method.stats, { id }, { timeoutMs: answerMs, signal })
  const v1 = unpackMessage(MetricsV1Schema, stats)
  if (v1 !== undefined) return metricsOfV1(v1)
  const v2 = unpackMessage(MetricsV2Schema, stats)
  if (v2 !== undefined) return metricsOfV2(v2)
  const kind = stats === undefined ? 'none' : JSON.stringify(stats.typeUrl)
  throw new OciError('ERR_UNSUPPORTED', `the shim must send metrics of cgroups v1 or v2, it sent ${kind}`)
}

export function metricsOfV1({ cpu, memory, memoryOomControl, pids, blkio, network }: MetricsV1): TaskMetrics {
  const throttling = cpu?.throttling
  return {
    counters: {
      cpuNano: cpu?.usage?.total,
      throttling: throttling && {
        periods: Number(throttling.periods),
        throttledPeriods: Number(throttling.throttledPeriods),
        throttledNano: throttling.throttledTime,
      },
      memTotalBytes: numberOf(memory?.usage?.usage),
      inactiveFileBytes: numberOf(memory && (memory.totalInactiveFile || memory.inactiveFile)),
      memLimitBytes: limitOf(memory?.usage?.limit),
      oomKills: numberOf(memoryOomControl?.oomKill),
      pids: numberOf(pids?.current),
      block: blkio && blockOfV1(blkio.ioServiceBytesRecursive),
    },
    psi: undefined,
    network: networkOf(network),
  }
}

export function metricsOfV2({ cpu, memory, memoryEvents, pids, io, network }: MetricsV2): TaskMetrics {
  return {
    counters: {
      cpuNano: cpu && cpu.usageUsec * nanosPerMicro,
      throttling: cpu && {
        periods: Number(cpu.nrPeriods),
        throttledPeriods: Number(cpu.nrThrottled),
        throttledNano: cpu.throttledUsec * nanosPerMicro,
      },
      memTotalBytes: numberOf(memory?.usage),
      inactiveFileBytes: numberOf(memory?.inactiveFile),
      memLimitBytes: limitOf(memory?.usageLimit),
      oomKills: numberOf(memoryEvents?.oomKill),
      pids: numberOf(pids?.current),
      block: io && {
        readBytes: sumOf(io.usage.map(({ rbytes }) => rbytes)),
        writtenBytes: sumOf(io.usage.map(({ wbytes }) => wbytes)),
      },
    },
    psi: cpu?.psi && {
      cpu: stallOf(cpu.psi),
      memory: stallOf(memory?.psi),
      io: stallOf(io?.psi),
    },
    network: networkOf(network),
  }
}

function numberOf(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value)
}

/** "No limit" is the highest number that the kernel has, or 0 where a counter was not filled in. */
function limitOf(bytes: bigint | undefined): number | undefined {
  return bytes === undefined || bytes === 0n || bytes > Number.MAX_SAFE_INTEGER ? undefined : Number(bytes)
}

function blockOfV1(entries: readonly { readonly op: string; readonly value: bigint }[]): BlockBytes {
  const of = (wanted: string): bigint[] =>
    entries.filter(({ op }) => op.toLowerCase() === wanted).map(({ value }) => value)
  return { readBytes: sumOf(of('read')), writtenBytes: sumOf(of('write')) }
}

function networkOf(
  interfaces: readonly { readonly name: string; readonly rxBytes: bigint; readonly txBytes: bigint }[],
): NetworkBytes | undefined {
  const real = interfaces.filter(({ name }) => name !== 'lo')
  if (real.length === 0) return undefined
  return {
    receivedBytes: sumOf(real.map(({ rxBytes }) => rxBytes)),
    sentBytes: sumOf(real.map(({ txBytes }) => txBytes)),
  }
}

function sumOf(values: readonly bigint[]): number {
  return Number(values.reduce((sum, value) => sum + value, 0n))
}

function stallOf(stats: PSIStats | undefined): PressureStall | undefined {
  if (stats?.some === undefined) return undefined
  return { some: sharesOf(stats.some), full: stats.full && sharesOf(stats.full) }
}

function sharesOf({ avg10, avg60, avg300, total }: PSIData) {
  return {
    last10sPercent: avg10,
    last60sPercent: avg60,
    last300sPercent: avg300,
    totalUs: Number(total),
  }
}
