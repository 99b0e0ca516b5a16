/** The counters of cgroup v1: one hierarchy per controller, sizes in bytes, CPU times in nanoseconds. */
import {
  type BlockBytes,
  type CgroupStats,
  type FileTexts,
  type GroupFile,
  keyedCounter,
  parseBigCounter,
  parseCounter,
  parseThrottling,
} from './cgroup-stats.ts'

/** The CPU's counter first: the time is taken right after it. */
export const filesOfV1: readonly GroupFile[] = [
  ['cpuacct.usage', 'cpuacct'],
  ['cpu.stat', 'cpu'],
  ['memory.usage_in_bytes', 'memory'],
  ['memory.stat', 'memory'],
  ['memory.limit_in_bytes', 'memory'],
  ['memory.oom_control', 'memory'],
  ['pids.current', 'pids'],
  ['blkio.throttle.io_service_bytes_recursive', 'blkio'],
]

export function cgroupStatsV1(texts: FileTexts): CgroupStats {
  const memory = texts.get('memory.stat')
  return {
    cpuNano: parseBigCounter(texts.get('cpuacct.usage')),
    throttling: parseThrottling(texts.get('cpu.stat'), 'throttled_time', 1n),
    memTotalBytes: parseCounter(texts.get('memory.usage_in_bytes')),
    inactiveFileBytes: keyedCounter(memory, 'total_inactive_file') ?? keyedCounter(memory, 'inactive_file'),
    memLimitBytes: parseCounter(texts.get('memory.limit_in_bytes')),
    oomKills: keyedCounter(texts.get('memory.oom_control'), 'oom_kill'),
    pids: parseCounter(texts.get('pids.current')),
    block: parseServiceBytes(texts.get('blkio.throttle.io_service_bytes_recursive')),
  }
}

/**
 * Lines `<major>:<minor> <operation> <bytes>` and a last line `Total <bytes>`. Where there is only the last one, either
 * nothing was read or written or the kernel does not count, see process-io.ts.
 */
function parseServiceBytes(text: string | undefined): BlockBytes | undefined {
  let block: BlockBytes | undefined
  for (const [, operation, digits] of (text ?? '').matchAll(/^\d+:\d+ (Read|Write) (\d+)$/gm)) {
    const { readBytes, writtenBytes } = block ?? { readBytes: 0, writtenBytes: 0 }
    const bytes = Number(digits)
    block =
      operation === 'Read'
        ? { readBytes: readBytes + bytes, writtenBytes }
        : { readBytes, writtenBytes: writtenBytes + bytes }
  }
  return block
}
