/** What the tests ask systemd behind the library's back. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export function systemctl(...args: string[]): string {
  return execFileSync('systemctl', args, { encoding: 'utf8' })
}

/** A unit's property; empty where there is no such unit. */
export function property(unit: string, name: string): string {
  return systemctl('show', '--value', '--property', name, unit).trim()
}

/** The units of scopes whose name has that in it, in whatever state. */
export function scopesNaming(text: string): string[] {
  return systemctl('list-units', '--all', '--plain', '--no-legend', '--type', 'scope', `*${text}*`)
    .split('\n')
    .flatMap((line) => line.trim().split(/\s+/)[0] || [])
}

/** The path of a process's cgroup. */
export function cgroupOf(pid: number): string {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? ''
}

export function processesIn(cgroup: string): number[] {
  const text = readFileSync(`/sys/fs/cgroup${cgroup}/cgroup.procs`, 'utf8')
  return text.split('\n').filter(Boolean).map(Number)
}
