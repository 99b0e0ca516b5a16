/**
 * What both versions of cgroups have in common: the form of their counters, and what is wanted of them.
 *
 * Invariant: parsers are pure and take the text of a file, undefined when there is no such file. A text that is not what
 * the kernel documents gives undefined, like a file that is not there.
 */
import type { CpuThrottling } from '../stats-port.ts'

/** What a container's cgroups tell, whatever their version. */
export interface CgroupStats {
  readonly cpuNano: bigint | undefined
  readonly throttling: CpuThrottling | undefined
  readonly memTotalBytes: number | undefined
  /** File cache that nobody touched lately: the kernel drops it first. */
  readonly inactiveFileBytes: number | undefined
  /** Undefined when there is none. */
  readonly memLimitBytes: number | undefined
  readonly oomKills: number | undefined
  readonly pids: number | undefined
  readonly block: BlockBytes | undefined
}

export interface BlockBytes {
  readonly readBytes: number
  readonly writtenBytes: number
}

/** The contents of the files that a version of cgroups is read from, by name. */
export type FileTexts = ReadonlyMap<string, string | undefined>

/** A file's name and the controller whose group it is in, as in /proc/PID/cgroup. */
export type GroupFile = readonly [name: string, controller: string]

/** A file that holds one number. */
export function parseCounter(text: string | undefined): number | undefined {
  const digits = text?.trim() ?? ''
  return /^\d+$/.test(digits) ? Number(digits) : undefined
}

/** A file that holds one number which may outgrow a double. */
export function parseBigCounter(text: string | undefined): bigint | undefined {
  const digits = text?.trim() ?? ''
  return /^\d+$/.test(digits) ? BigInt(digits) : undefined
}

/** The number of the line `<key> <n>` in a flat keyed file. */
export function keyedCounter(text: string | undefined, key: string): number | undefined {
  return parseCounter(keyedText(text, key))
}

/** {@link keyedCounter} for numbers that may outgrow a double. */
export function keyedBigCounter(text: string | undefined, key: string): bigint | undefined {
  return parseBigCounter(keyedText(text, key))
}

/**
 * What `cpu.stat` tells of throttling; the time stands under `timeKey`, in units of `unitNano`. The lines are there only
 * where the CPU controller is on.
 */
export function parseThrottling(
  text: string | undefined,
  timeKey: string,
  unitNano: bigint,
): CpuThrottling | undefined {
  const periods = keyedCounter(text, 'nr_periods')
  const throttledPeriods = keyedCounter(text, 'nr_throttled')
  const throttledTime = keyedBigCounter(text, timeKey)
  if (periods === undefined || throttledPeriods === undefined || throttledTime === undefined) return undefined
  return { periods, throttledPeriods, throttledNano: throttledTime * unitNano }
}

function keyedText(text: string | undefined, key: string): string | undefined {
  // memory.stat has fifty lines and is read for one: no regular expression per key, no map of all.
  if (text === undefined) return undefined
  const begin = text.startsWith(`${key} `) ? 0 : text.indexOf(`\n${key} `) + 1
  if (begin === 0 && !text.startsWith(`${key} `)) return undefined
  const end = text.indexOf('\n', begin)
  return text.slice(begin + key.length + 1, end < 0 ? undefined : end)
}
