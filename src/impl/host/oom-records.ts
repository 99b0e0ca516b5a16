/** What records of the kernel's log tell of OOM kills. */

export interface KernelRecord {
  /** Counts up from the boot. */
  readonly sequence: number
  /** False for what user space has written: it may say anything. */
  readonly isKernels: boolean
  readonly text: string
}

export interface OomRecord {
  readonly sequence: number
  /** Of the process that was killed, in the initial pid namespace. */
  readonly pid: number
}

/** `<priority + 8 × facility>,<sequence>,<µs since the boot>,<flags>[,…];<text>\n`, see Documentation/ABI/testing/dev-kmsg. */
export function parseRecord(line: string): KernelRecord | undefined {
  const [, priority, sequence, text] = /^(\d+),(\d+),[^;]*;([^\n]*)/.exec(line) ?? []
  if (priority === undefined || sequence === undefined || text === undefined) return undefined
  return { sequence: Number(sequence), isKernels: Number(priority) < 8, text }
}

/**
 * The kill that a record tells of; undefined when it tells of something else. What the kernel announces (`oom-kill:…`) is
 * none yet, and left out when there is much to announce; this record it writes of every process that it takes.
 */
export function readOomRecord({ sequence, isKernels, text }: KernelRecord): OomRecord | undefined {
  const pid = /^(?:(?:Memory cgroup out|Out) of memory(?: \([^)]*\))?: )?Killed process (\d+) \(/.exec(
    text,
  )?.[1]
  return isKernels && pid !== undefined ? { sequence, pid: Number(pid) } : undefined
}
