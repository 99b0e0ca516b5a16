/** What processes use, by /proc. */
import { readdirSync, readFileSync } from 'node:fs'

/** The clock ticks of /proc are hundredths of a second on every Linux of today. */
const tickMs = 10

/** User and system time of a process and of its threads, without its children. */
export function usedCpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * tickMs
}

/** Memory that no other process shares. */
export function privateKib(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
  return [...rollup.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm)].reduce(
    (sum, [, kib]) => sum + Number(kib),
    0,
  )
}

/** The launcher of a process that uses the library. */
export function launcherOf(parent: number): number {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const pid = Number(name)
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      const isChild = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent
      if (isChild && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('launcher')) return pid
    } catch {
      // It has ended meanwhile.
      continue
    }
  }
  throw new Error(`process ${parent} has no launcher`)
}
