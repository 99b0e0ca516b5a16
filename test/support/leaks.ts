/**
 * Finds what a test file left behind on the host: processes, zombies, file descriptors, inotify watches, sockets, FIFOs,
 * mounts, cgroups of every hierarchy, directories of runtimes, entries of /tmp and /run.
 *
 * Others may use the host meanwhile, so a leftover counts only if it is ours beyond doubt: a descendant of this process,
 * or something that mentions a directory or a container id of this test file (temp-root.ts). Deliberately not here:
 * regular files below those directories, which are removed with them.
 */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { allCgroups } from './cgroups.ts'
import { descendsFrom, ifThere, linkIfThere, processes, readIfThere, type Process } from './proc.ts'
import { mountsMentioning } from './temp-root.ts'

/** The state of the host before a test file. */
export interface HostSnapshot {
  /** Start ticks by pid. */
  readonly processes: ReadonlyMap<number, string>
  /** What each of our file descriptors refers to. */
  readonly fds: ReadonlyMap<string, string>
  readonly inotifyWatchesCount: number
  readonly cgroups: ReadonlySet<string>
  readonly runtimeDirectories: ReadonlySet<string>
  readonly sharedEntries: ReadonlySet<string>
}

/** What identifies a leftover as ours. */
export interface Ours {
  readonly roots: readonly string[]
  readonly containerIds: readonly string[]
}

export interface Leak {
  readonly what: string
  /** Set for a process that still runs. */
  readonly pid?: number
}

/** Where runtimes and this library keep things when nobody names a directory. Tests always name one. */
const runtimeDirectories = ['/run/crun', '/run/runc', '/run/oci-supervisor', '/var/lib/oci-supervisor']

const settleMaxMs = 5000
const pollMs = 50

// Taken now: a test may put a fake in its place.
const { setTimeout } = globalThis

export function takeSnapshot(): HostSnapshot {
  return {
    processes: new Map([...processes().values()].map(({ pid, startTicks }) => [pid, startTicks])),
    fds: ownFds(),
    inotifyWatchesCount: inotifyWatchesCount(),
    cgroups: new Set(allCgroups()),
    runtimeDirectories: new Set(runtimeEntries()),
    sharedEntries: new Set(sharedEntries()),
  }
}

/** Everything of ours that is there now and was not there `before`. */
export function leaksSince(before: HostSnapshot, ours: Ours): Leak[] {
  const left = ourProcesses(processes(), ours).filter(
    ({ pid, startTicks }) => before.processes.get(pid) !== startTicks,
  )
  return [
    ...left.map(describeProcess),
    ...fdLeaks(before),
    ...ours.roots.flatMap((root) => [
      ...mountLeaks(root),
      ...openSocketLeaks(root),
      ...specialFileLeaks(root),
    ]),
    ...cgroupLeaks(before, ours, new Set(left.map(({ pid }) => pid))),
    ...runtimeEntries()
      .filter((entry) => !before.runtimeDirectories.has(entry) && mentions(entry, ours))
      .map((entry) => ({ what: `directory ${entry}` })),
    ...sharedEntryLeaks(before, ours),
  ]
}

/** What is left once it no longer shrinks to nothing by itself, at most {@link settleMaxMs} later. */
export async function leaksThatStay(
  before: HostSnapshot,
  ours: Ours,
  waitMaxMs = settleMaxMs,
): Promise<Leak[]> {
  const deadline = performance.now() + waitMaxMs
  for (;;) {
    const leaks = leaksSince(before, ours)
    if (leaks.length === 0 || performance.now() >= deadline) return leaks
    await new Promise((resolve) => {
      setTimeout(resolve, pollMs)
    })
  }
}

function mentions(text: string, { roots, containerIds }: Ours): boolean {
  return [...roots, ...containerIds].some((word) => text.includes(word))
}

/** Our descendants, the processes that mention us, and the descendants of those. */
function ourProcesses(all: ReadonlyMap<number, Process>, ours: Ours): Process[] {
  const others = [...all.values()].filter(({ pid }) => pid !== process.pid)
  const ancestors = new Set([
    process.pid,
    ...others.filter((one) => mentionsUs(one, ours)).map(({ pid }) => pid),
  ])
  return others.filter((one) => ancestors.has(one.pid) || descendsFrom(one, ancestors, all))
}

function mentionsUs({ pid, command }: Process, ours: Ours): boolean {
  const proc = `/proc/${pid}`
  if (
    [command, linkIfThere(`${proc}/cwd`), readIfThere(`${proc}/cgroup`)].some((text) => mentions(text, ours))
  ) {
    return true
  }
  // A container whose monitor is gone names us nowhere but in its root: a mount from below one of our directories.
  const isElsewhere = linkIfThere(`${proc}/ns/mnt`) !== linkIfThere('/proc/self/ns/mnt')
  return isElsewhere && mentions(readIfThere(`${proc}/mountinfo`), ours)
}

function describeProcess({ pid, parentPid, state, command }: Process): Leak {
  if (state === 'Z') return { what: `zombie ${pid} (parent ${parentPid}): ${command}` }
  return { what: `process ${pid} (parent ${parentPid}): ${command.slice(0, 300)}`, pid }
}

function ownFds(): Map<string, string> {
  const found = new Map<string, string>()
  for (const fd of readdirSync('/proc/self/fd')) {
    // The descriptor that listed the directory is closed by now.
    const target = linkIfThere(`/proc/self/fd/${fd}`)
    if (target !== '') found.set(fd, target)
  }
  return found
}

/** A watch that nobody closed shows here only: libuv keeps one inotify descriptor open for all of them, for ever. */
function inotifyWatchesCount(): number {
  const infos = readdirSync('/proc/self/fdinfo').map((fd) => readIfThere(`/proc/self/fdinfo/${fd}`))
  return infos.reduce((count, info) => count + (info.match(/^inotify wd:/gmu)?.length ?? 0), 0)
}

function fdLeaks(before: HostSnapshot): Leak[] {
  const leaks: Leak[] = []
  for (const [fd, target] of ownFds()) {
    if (before.fds.get(fd) !== target) leaks.push({ what: `file descriptor ${fd}: ${target}` })
  }
  const watchesCount = inotifyWatchesCount() - before.inotifyWatchesCount
  if (watchesCount > 0) leaks.push({ what: `${watchesCount} file system watches` })
  return leaks
}

function mountLeaks(root: string): Leak[] {
  return mountsMentioning(root).map((line) => ({ what: `mount ${line}` }))
}

function openSocketLeaks(root: string): Leak[] {
  const lines = readIfThere('/proc/net/unix').split('\n')
  return lines.filter((line) => line.includes(root)).map((line) => ({ what: `open socket ${line.trim()}` }))
}

/** Sockets and FIFOs are somebody's ends of a conversation, so whoever made them has to remove them. */
function specialFileLeaks(directory: string): Leak[] {
  const entries = ifThere(() => readdirSync(directory, { withFileTypes: true })) ?? []
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return specialFileLeaks(path)
    if (entry.isSocket()) return [{ what: `socket ${path}` }]
    return entry.isFIFO() ? [{ what: `FIFO ${path}` }] : []
  })
}

function cgroupLeaks(before: HostSnapshot, ours: Ours, ourPids: ReadonlySet<number>): Leak[] {
  return allCgroups()
    .filter((path) => !before.cgroups.has(path))
    .filter(
      (path) => mentions(path, ours) || (path.includes('/crio-conmon-') && !isInUseByOthers(path, ourPids)),
    )
    .map((path) => ({ what: `cgroup ${path}` }))
}

/** A conmon of somebody else on this host has a cgroup of the same kind; ours are empty, or hold processes of ours. */
function isInUseByOthers(cgroup: string, ourPids: ReadonlySet<number>): boolean {
  const pids = readIfThere(join(cgroup, 'cgroup.procs')).split('\n').filter(Boolean).map(Number)
  return pids.some((pid) => !ourPids.has(pid))
}

function runtimeEntries(): string[] {
  return runtimeDirectories.flatMap((directory) => {
    const stats = ifThere(() => lstatSync(directory))
    if (stats === undefined || !stats.isDirectory()) return []
    return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name))
  })
}

/** Where programs put what they have no better place for. */
const sharedDirectories = ['/tmp', '/run']

function sharedEntries(): string[] {
  return sharedDirectories.flatMap((directory) =>
    (ifThere(() => readdirSync(directory)) ?? []).map((name) => join(directory, name)),
  )
}

/**
 * What is named like a container of ours or leads to a directory of ours; and the sockets on which conmon waits for a
 * terminal, which say nothing of whose they are: they count where no conmon lives but ours.
 */
function sharedEntryLeaks(before: HostSnapshot, ours: Ours): Leak[] {
  const fresh = sharedEntries().filter(
    (entry) => !before.sharedEntries.has(entry) && !ours.roots.includes(entry),
  )
  const isNamedByUs = (entry: string): boolean => mentions(entry, ours) || mentions(linkIfThere(entry), ours)
  const named = fresh.filter(isNamedByUs)
  const left = [...named, ...terminalSockets(fresh, processes(), ours)]
  return [...new Set(left)].map((entry) => ({ what: `entry ${entry}` }))
}

/** Those among `entries` that only we can have left. */
export function terminalSockets(
  entries: readonly string[],
  all: ReadonlyMap<number, Process>,
  ours: Ours,
): string[] {
  const sockets = entries.filter((entry) => /\/conmon-term\.\w{6}$/u.test(entry))
  if (sockets.length === 0) return []
  const own = new Set(ourProcesses(all, ours).map(({ pid }) => pid))
  const isForeign = ({ pid, command }: Process): boolean => /^\S*\bconmon /u.test(command) && !own.has(pid)
  return [...all.values()].some(isForeign) ? [] : sockets
}
