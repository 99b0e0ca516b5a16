/**
 * Ending a launcher that does not end by itself: one that was stopped, hangs in the kernel, or whose owner is dead.
 *
 * Its death is the end of the start pipes it holds, and conmon takes that for the start byte. So monitors that wait for
 * theirs are killed first; what has begun goes on, and is found by what is on disk.
 */
import { readlink } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { errnoOf, isOciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { readKernelFile } from '../host/kernel-file.ts'
import { killProcess } from '../process-identity.ts'
import { readProcesses, type TreeProcess } from '../process-tree.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'

const SIGKILL = 9
const SIGSTOP = 19
/** A child that was just forked is seen at the second look, at the latest. */
const quietLooks = 2
const looksMax = 100
const pauseMs = 10

/** Does nothing when it is gone. Throws ERR_IO when /proc cannot be read, ERR_UNSUPPORTED when it may not be signalled. */
export async function endLauncher(launcher: ProcessIdentity): Promise<void> {
  // So that it spawns and starts nothing while we look.
  if (!killProcess(launcher, SIGSTOP)) return
  try {
    await killUnstarted(launcher)
  } finally {
    killProcess(launcher, SIGKILL)
  }
}

async function killUnstarted(launcher: ProcessIdentity): Promise<void> {
  const ownArguments = await textOf(`/proc/${launcher.pid}/cmdline`)
  for (let looks = 0, quiet = 0; quiet < quietLooks && looks < looksMax; looks += 1) {
    const children = (await readProcesses()).filter(({ parentPid }) => parentPid === launcher.pid)
    const unstarted: TreeProcess[] = []
    for (const child of children) if (await isUnstarted(child, ownArguments)) unstarted.push(child)
    for (const child of unstarted) killProcess(child, SIGKILL)
    quiet = unstarted.length === 0 ? quiet + 1 : 0
    await delay(pauseMs)
  }
}

/** One that is still a fork of the launcher may become such a monitor, and nothing is lost with any other. */
async function isUnstarted({ pid, state }: TreeProcess, launcherArguments: string): Promise<boolean> {
  if ('ZXx'.includes(state)) return false
  if ((await textOf(`/proc/${pid}/cmdline`)) === launcherArguments) return true
  const environment = await textOf(`/proc/${pid}/environ`)
  const startFd = /(?:^|\0)_OCI_STARTPIPE=(\d+)(?:\0|$)/.exec(environment)?.[1]
  // A pipe of the launcher's own is a socket; a command's start pipe is a FIFO by path.
  return startFd !== undefined && (await targetOf(`/proc/${pid}/fd/${startFd}`)).startsWith('socket:')
}

/** Empty when the process has ended, and when it is not ours to look at: then it is no monitor of ours. */
async function textOf(file: string): Promise<string> {
  try {
    return (await readKernelFile(file)) ?? ''
  } catch (error) {
    if (isOciError(error) && isForbidden(error.cause)) return ''
    throw error
  }
}

async function targetOf(link: string): Promise<string> {
  try {
    return await readlink(link)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH' || isForbidden(error)) return ''
    throw ioError('read link', link, error)
  }
}

function isForbidden(error: unknown): boolean {
  const errno = errnoOf(error)
  return errno === 'EACCES' || errno === 'EPERM'
}
