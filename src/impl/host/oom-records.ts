/**
 * What records of the kernel's log tell of OOM kills.
 *
 * Of each process that it takes the OOM killer says `Killed process <pid>`. Before the first of them it names the memory
 * cgroup as well, but not when it had much to do lately.
 */

export interface KernelRecord {
  /** Counts up from the boot. */
  readonly sequence: number
  /** What user space has written is `false`: it may say anything. */
  readonly isKernels: boolean
  readonly text: string
}

export interface OomRecord {
  readonly sequence: number
  readonly pid: number
  /** Path of the memory cgroup that the process was in, as in /proc/PID/cgroup; undefined where the kernel does not say. */
  readonly cgroupPath: string | undefined
}

/** Processes that a container's are told by. */
export interface OomVictims {
  readonly initPid: number | undefined
  /** Path of the container's memory cgroup. */
  readonly cgroupPath: string | undefined
}

/** `<priority + 8 × facility>,<sequence>,<µs since the boot>,<flags>[,…];<text>\n`, see Documentation/ABI/testing/dev-kmsg. */
export function parseRecord(line: string): KernelRecord | undefined {
  const [, priority, sequence, text] = /^(\d+),(\d+),[^;]*;([^\n]*)/.exec(line) ?? []
  if (priority === undefined || sequence === undefined || text === undefined) return undefined
  return { sequence: Number(sequence), isKernels: Number(priority) < 8, text }
}

/** Undefined for a record that tells of something else. `previous` is what the last one that told of a kill told. */
export function readOomRecord(
  { sequence, isKernels, text }: KernelRecord,
  previous: OomRecord | undefined,
): OomRecord | undefined {
  if (!isKernels) return undefined
  const announced = /^oom-kill:.*,pid=(\d+),uid=\d+$/.exec(text)?.[1]
  if (announced !== undefined) return { sequence, pid: Number(announced), cgroupPath: cgroupPathIn(text) }
  const killed = /^(?:Memory cgroup out|Out) of memory(?: \([^)]*\))?: Killed process (\d+) \(/.exec(
    text,
  )?.[1]
  // The announcement of the same kill stands right before it.
  if (killed === undefined || Number(killed) === previous?.pid) return undefined
  return { sequence, pid: Number(killed), cgroupPath: undefined }
}

/** None where a process or a group has a name that looks like more of the record: whose it is could be made up. */
function cgroupPathIn(text: string): string | undefined {
  if (text.split('task_memcg=').length !== 2) return undefined
  return /,task_memcg=(\/.*),task=.{0,15},pid=\d+,uid=\d+$/.exec(text)?.[1]
}

export function isVictim(record: OomRecord, { initPid, cgroupPath }: OomVictims): boolean {
  if (record.pid === initPid) return true
  if (cgroupPath === undefined || cgroupPath === '/' || record.cgroupPath === undefined) return false
  return record.cgroupPath === cgroupPath || record.cgroupPath.startsWith(`${cgroupPath}/`)
}
