/** What /proc says of the processes of this host, for the leak gate. Everything here may vanish while it is read. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'

const generationsMax = 64

export interface Process {
  readonly pid: number
  readonly parentPid: number
  /** One letter; `Z` is a zombie. */
  readonly state: string
  /** With the pid, who it is: pids are used again. */
  readonly startTicks: string
  readonly command: string
}

/** `read()`, or undefined when what it reads has gone meanwhile or is hidden from us. */
export function ifThere<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENOTDIR', 'EINVAL', 'ENODEV'].includes(String(code)))
      return undefined
    throw error
  }
}

export function readIfThere(path: string): string {
  return ifThere(() => readFileSync(path, 'utf8')) ?? ''
}

export function linkIfThere(path: string): string {
  return ifThere(() => readlinkSync(path)) ?? ''
}

function readProcess(pid: number): Process | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`)
  // The command stands in parentheses and may hold any character, parentheses included.
  const [state, parentPid, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const startTicks = rest[17]
  if (state === undefined || parentPid === undefined || startTicks === undefined) return undefined
  const argv = readIfThere(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()
  const command = argv === '' ? stat.slice(stat.indexOf('('), stat.lastIndexOf(')') + 1) : argv
  return { pid, parentPid: Number(parentPid), state, startTicks, command }
}

export function processes(): Map<number, Process> {
  const found = new Map<number, Process>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/u.test(name)) continue
    const one = readProcess(Number(name))
    if (one !== undefined) found.set(one.pid, one)
  }
  return found
}

/** Whether one of `ancestors` is among the parents of a process. */
export function descendsFrom(
  process: Process,
  ancestors: ReadonlySet<number>,
  all: ReadonlyMap<number, Process>,
): boolean {
  let parent = process.parentPid
  // Bounded, since pids used again while we read could make a circle.
  for (let depth = 0; depth < generationsMax && parent > 0; depth += 1) {
    if (ancestors.has(parent)) return true
    parent = all.get(parent)?.parentPid ?? 0
  }
  return false
}
