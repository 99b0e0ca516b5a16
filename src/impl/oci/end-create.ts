/**
 * Ends a create in progress, so that nothing is created any more: the runtime with all that it has started, and the monitor.
 *
 * All of them are found by what they were called with, since whoever had begun the create may have died before anything
 * was noted, and the runtime outlives a monitor that it is not a child of. A monitor that waits for its start byte is
 * killed: for conmon the end of the start pipe is "go". One whose runtime was ended here reports that and ends by itself.
 */
import { lstat } from 'node:fs/promises'
import { errnoOf, OciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { killAndWait } from '../host/process-end.ts'
import { throwIfAborted, waitUntil } from '../host/waiting.ts'
import { killProcess, observeProcess } from '../process-identity.ts'
import { endProcessTree } from '../process-tree.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { endMonitor } from './forget.ts'
import { findMonitor, searchProcesses } from './monitor.ts'
import type { Notes } from './notes.ts'
import type { Place } from './world.ts'

const SIGSTOP = 19
/** What dies later sleeps in the kernel, and could go on when it wakes. */
const killMaxMs = 10_000
/** For a monitor that nothing keeps: one that takes longer hangs. */
const leaveMaxMs = 10_000

/**
 * Which create of this container has succeeded; undefined when none has. The runtime writes the pid file as the last step
 * of its create. Without a bundle the notes tell.
 */
export async function creationOf({ paths }: Place, notes: Notes | undefined): Promise<string | undefined> {
  try {
    const { size, ino, mtimeNs } = await lstat(paths.initPidFile, { bigint: true })
    if (size > 0n) return `${ino} ${mtimeNs}`
  } catch (error) {
    const errno = errnoOf(error)
    if (errno !== 'ENOENT' && errno !== 'ENOTDIR') throw ioError('examine', paths.initPidFile, error)
  }
  return notes?.init === undefined ? undefined : 'noted'
}

/**
 * Resolves when nobody is at it any more, or when another create than `undone` has succeeded: then the monitor is left,
 * which is going to report the exit. Throws ERR_TIMEOUT and ERR_ABORTED.
 */
export async function endCreate(
  place: Place,
  { notes, undone, signal }: { notes: Notes | undefined; undone: string | undefined; signal: AbortSignal },
): Promise<void> {
  const isCreated = async (): Promise<boolean> => (await creationOf(place, notes)) !== undone
  for (;;) {
    throwIfAborted(signal)
    if (await isCreated()) return
    const { monitors, runtimes } = await searchProcesses(place)
    if (monitors.length + runtimes.length === 0) return
    const named = await findMonitor(place)
    for (const monitor of monitors) {
      // The pid file is written when conmon has had its start byte.
      if (monitor.pid !== named?.pid) await endWithTree(place, monitor, signal)
      else if (!(await leaves(monitor, isCreated, signal))) await endMonitor(place, monitor, signal)
    }
    if (await isCreated()) return
    for (const runtime of runtimes) await endWithTree(place, runtime, signal)
  }
}

/** Ends what the monitor runs, again and again: one that has just been started is about to run it. */
async function leaves(
  monitor: ProcessIdentity,
  isCreated: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<boolean> {
  const isOver = async (): Promise<boolean> => {
    if ((await isCreated()) || (await observeProcess(monitor)) === 'gone') return true
    await endProcessTree(monitor, killMaxMs)
    return false
  }
  return waitUntil(isOver, leaveMaxMs, signal)
}

/** Stopped first: a script would go on with its next command when one is killed. */
async function endWithTree(place: Place, root: ProcessIdentity, signal: AbortSignal): Promise<void> {
  killProcess(root, SIGSTOP)
  const isEnded = await endProcessTree(root, killMaxMs)
  if ((await killAndWait(root, killMaxMs, signal)) && isEnded) return
  const containerId = place.container.id
  const message = `the create of container ${containerId} (pid ${root.pid}) has not died of KILL within ${killMaxMs} ms`
  throw new OciError('ERR_TIMEOUT', message, { containerId })
}
