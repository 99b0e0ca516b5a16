/**
 * The counters of cgroup v2: one directory, sizes in bytes, CPU times in microseconds. Pressure stall information is of v2
 * only; a host that has v2 beside v1 can have it as well.
 */
import {
  type BlockBytes,
  type CgroupStats,
  type FileTexts,
  type GroupFile,
  keyedBigCounter,
  keyedCounter,
  parseCounter,
  parseThrottling,
} from './cgroup-stats.ts'
import type { PressureShares, PressureStall } from '../stats-port.ts'

/** The CPU's counter first: the time is taken right after it. */
export const filesOfV2: readonly GroupFile[] = [
  ['cpu.stat', ''],
  ['memory.current', ''],
  ['memory.stat', ''],
  ['memory.max', ''],
  ['memory.events', ''],
  ['pids.current', ''],
  ['io.stat', ''],
]

const nanosPerMicro = 1000n

export function cgroupStatsV2(texts: FileTexts): CgroupStats {
  const usageUs = keyedBigCounter(texts.get('cpu.stat'), 'usage_usec')
  return {
    cpuNano: usageUs === undefined ? undefined : usageUs * nanosPerMicro,
    throttling: parseThrottling(texts.get('cpu.stat'), 'throttled_usec', nanosPerMicro),
    memTotalBytes: parseCounter(texts.get('memory.current')),
    inactiveFileBytes: keyedCounter(texts.get('memory.stat'), 'inactive_file'),
    // `max` is no number.
    memLimitBytes: parseCounter(texts.get('memory.max')),
    oomKills: keyedCounter(texts.get('memory.events'), 'oom_kill'),
    pids: parseCounter(texts.get('pids.current')),
    block: parseIoStat(texts.get('io.stat')),
  }
}

/** Lines `<major>:<minor> rbytes=<n> wbytes=<n> …`, none before any I/O. */
function parseIoStat(text: string | undefined): BlockBytes | undefined {
  if (text === undefined) return undefined
  return { readBytes: sumOf(text, / rbytes=(\d+)/g), writtenBytes: sumOf(text, / wbytes=(\d+)/g) }
}

function sumOf(text: string, number: RegExp): number {
  let sum = 0
  for (const [, digits] of text.matchAll(number)) sum += Number(digits)
  return sum
}

/** The text of cpu.pressure, memory.pressure or io.pressure. The CPU's had no `full` line before Linux 5.13. */
export function parsePressure(text: string | undefined): PressureStall | undefined {
  const some = parseShares(text, 'some')
  return some === undefined ? undefined : { some, full: parseShares(text, 'full') }
}

function parseShares(text: string | undefined, kind: 'some' | 'full'): PressureShares | undefined {
  const line = text?.split('\n').find((each) => each.startsWith(`${kind} `)) ?? ''
  const [, last10s, last60s, last300s, total] =
    /avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)$/.exec(line) ?? []
  if (total === undefined) return undefined
  return {
    last10sPercent: Number(last10s),
    last60sPercent: Number(last60s),
    last300sPercent: Number(last300s),
    totalUs: Number(total),
  }
}
