/** The monitor (conmon) of a container as a process: who it is, its end, and ending it. */
import { readdir } from 'node:fs/promises'
import { isOciError } from '../../errors/index.ts'
import { readTextFile } from '../../files.ts'
import { readCgroupProcesses, readIfThere } from '../host/cgroups.ts'
import { readIdentity } from '../process-identity.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import type { Place } from './world.ts'

const pidFileMaxBytes = 64

/**
 * The living monitor that the pid file names. Undefined when there is none, and when that pid is somebody else's by now:
 * only a process whose arguments name this container and this bundle is its monitor.
 */
export async function findMonitor(place: Place): Promise<ProcessIdentity | undefined> {
  const pid = await readPidFile(place.paths.monitorPidFile)
  if (pid === undefined || pid === process.pid) return undefined
  const identity = await readIdentity(pid)
  if (identity === undefined) return undefined
  const commandLine = (await readIfThere(`/proc/${pid}/cmdline`)) ?? ''
  return isMonitorOf(commandLine.split('\0'), place) ? identity : undefined
}

export interface ContainerProcesses {
  /** More than one while conmon forks, or when a create was begun twice. */
  readonly monitors: readonly ProcessIdentity[]
  /** Runtimes in the middle of `create`, with or without a monitor above them. */
  readonly runtimes: readonly ProcessIdentity[]
}

/**
 * Monitors and runtimes of the container by looking at every process: of a create that was cut off, no pid file names
 * them. Costs a read per process of the host, so it is for cleaning up only.
 */
export async function searchProcesses(place: Place): Promise<ContainerProcesses> {
  const monitors: ProcessIdentity[] = []
  const runtimes: ProcessIdentity[] = []
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) continue
    const argv = ((await readIfThere(`/proc/${pid}/cmdline`)) ?? '').split('\0')
    const found = isMonitorOf(argv, place) ? monitors : isCreateOf(argv, place) ? runtimes : undefined
    const identity = found === undefined ? undefined : await readIdentity(pid)
    if (identity !== undefined) found?.push(identity)
  }
  return { monitors, runtimes }
}

/** The monitor by its pid file, or by a search where somebody has removed that file together with the bundle. */
export async function monitorOf(place: Place): Promise<ProcessIdentity | undefined> {
  const named = await readPidFile(place.paths.monitorPidFile)
  if (named !== undefined) return findMonitor(place)
  return (await searchProcesses(place)).monitors[0]
}

/**
 * A monitor of a container of that id in one of these groups, whoever's it is. Supervisors that know nothing of each other
 * name the group of a monitor alike.
 */
export async function findMonitorIn(
  cgroups: readonly string[],
  id: string,
): Promise<ProcessIdentity | undefined> {
  for (const directory of cgroups) {
    for (const pid of await readCgroupProcesses(directory)) {
      const commandLine = (await readIfThere(`/proc/${pid}/cmdline`)) ?? ''
      if (follows(commandLine.split('\0'), '-c', id)) return readIdentity(pid)
    }
  }
  return undefined
}

function isMonitorOf(argv: readonly string[], { container, paths }: Place): boolean {
  return follows(argv, '-c', container.id) && follows(argv, '-b', paths.bundle)
}

/** `<runtime> … create --bundle B --pid-file P … <id>`, as conmon runs it; whatever runs the runtime has this in it, too. */
function isCreateOf(argv: readonly string[], { container, paths }: Place): boolean {
  return (
    follows(argv, '--bundle', paths.bundle) &&
    follows(argv, '--pid-file', paths.initPidFile) &&
    argv.includes(container.id)
  )
}

function follows(argv: readonly string[], option: string, value: string): boolean {
  return argv.some((argument, index) => argument === option && argv[index + 1] === value)
}

/** The pid in a pid file; undefined when there is no such file or no pid in it (it may be half written). */
export async function readPidFile(file: string): Promise<number | undefined> {
  try {
    const text = await readTextFile(file, {
      maxBytes: pidFileMaxBytes,
      code: 'ERR_STATE_CORRUPT',
      isPrivate: true,
    })
    const pid = Number(/^\s*(\d{1,10})\s*$/.exec(text ?? '')?.[1])
    return pid > 1 ? pid : undefined
  } catch (error) {
    // A link, a FIFO or another user's file of that name is not from conmon.
    if (isOciError(error) && error.code === 'ERR_STATE_CORRUPT') return undefined
    throw error
  }
}
