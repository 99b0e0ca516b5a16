/**
 * Has the monitor go on in a new log file, after the embedder has renamed the old one.
 *
 * conmon makes `<log>.tmp` and renames it over the log. So a log that was not renamed would be lost, and a conmon that
 * cannot make the file ends and leaves its container without a monitor: both are ruled out before anything is asked for.
 * It answers nothing, and it may drop the line (control-fifo.ts). So it is looked which file it has open, and the line is
 * sent again; seldom and right after a look, because one that conmon takes up late would replace the new file again.
 */
import { constants, readdirSync, statSync } from 'node:fs'
import { lstat, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Container } from '../../container.ts'
import { OciError, errnoOf, isOciError, type ErrorCode } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { observeProcess } from '../process-identity.ts'
import type { EffectOptions, ProcessIdentity } from '../runtime-impl.ts'
import { monitorLost, sendControlLine } from './control-fifo.ts'
import { removeFile } from '../host/remove-file.ts'
import { findMonitor } from './monitor.ts'
import { waitUntil } from '../host/waiting.ts'
import { placeOf, type OciWorld } from './world.ts'

/** From the line to the new file conmon takes 3 ms, and many times that on a busy host; a line sent too early would lose lines. */
const reopenedMs = 8000
const attemptsMax = 3

/**
 * Resolves when the monitor writes to a new file at `container.logPath`. Where nothing has been logged since the file was
 * opened, that is the case already. Rejects with ERR_INVALID_ARGUMENT (field `logPath`) when there is a log that would be
 * lost or the new one cannot be made, ERR_MONITOR_LOST, ERR_TIMEOUT, ERR_ABORTED, ERR_BUSY, ERR_IO.
 */
export async function reopenLog(
  world: OciWorld,
  container: Container,
  { signal }: EffectOptions,
): Promise<void> {
  const place = await placeOf(world, container)
  const monitor = await findMonitor(place)
  if (monitor === undefined) throw monitorLost(container.id)
  if ((await logAt(container, monitor)) === 'current and empty') return
  await checkNewLog(container)
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      if (attempt > 0 && isReopened(container, monitor)) return
      await sendControlLine(place.paths.controlFifo, { kind: 'reopenLog' }, container.id)
      const look = () => isReopenedOrLost(container, monitor)
      if (await waitUntil(look, reopenedMs, signal)) return
    }
  } catch (error) {
    // Only then is it sure that nobody is about to open what was made in advance.
    if (isOciError(error) && error.code === 'ERR_MONITOR_LOST') await removeFile(`${container.logPath}.tmp`)
    throw error
  }
  const message = `the monitor of container ${container.id} (pid ${monitor.pid}) has not reopened ${container.logPath} within ${attemptsMax * reopenedMs} ms`
  throw new OciError('ERR_TIMEOUT', message, details(container))
}

/** Throws ERR_INVALID_ARGUMENT when the file at the log's path would be lost. */
async function logAt(
  container: Container,
  monitor: ProcessIdentity,
): Promise<'current and empty' | 'replaceable'> {
  const { logPath } = container
  const log = await lstatIfThere(logPath)
  if (log === undefined) return 'replaceable'
  if (!log.isFile()) throw wrong(container, 'must be a regular file, not a link or a device')
  const isCurrent = isReopened(container, monitor)
  // Looked at again: it counts what was logged before the look at the monitor.
  const { size } = await stat(logPath).catch((error: unknown) => {
    throw ioError('examine', logPath, error)
  })
  if (size === 0) return isCurrent ? 'current and empty' : 'replaceable'
  throw wrong(
    container,
    isCurrent
      ? 'is the log that is being written; rename it first, reopening would replace it'
      : 'is not empty and not the log that is being written; move it away, reopening would replace it',
  )
}

/** Makes the file that conmon is going to open, since it does not survive a failure to do so. */
async function checkNewLog(container: Container): Promise<void> {
  const temporary = `${container.logPath}.tmp`
  const old = await lstatIfThere(temporary)
  if (old !== undefined && !old.isFile()) {
    throw wrong(container, `is made as ${temporary}, which must not be a link or a device`)
  }
  const directory = await stat(dirname(temporary)).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') throw wrong(container, 'must be in a directory that exists', error)
    throw ioError('examine', dirname(temporary), error)
  })
  if (!directory.isDirectory()) throw wrong(container, 'must be in a directory')
  await makeIfMissing(temporary)
}

async function makeIfMissing(path: string): Promise<void> {
  const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  try {
    const handle = await open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
    await handle.close()
  } catch (error) {
    throw ioError('create', path, error)
  }
}

async function isReopenedOrLost(container: Container, monitor: ProcessIdentity): Promise<boolean> {
  if (isReopened(container, monitor)) return true
  if ((await observeProcess(monitor)) === 'alive') return false
  throw monitorLost(container.id)
}

/**
 * Whether the monitor has the file open that is the log now. By device and inode: another program may have made a file of
 * that name. Synchronous, so that nothing comes between this look and what depends on it; a monitor has few descriptors.
 */
function isReopened({ logPath }: Container, { pid }: ProcessIdentity): boolean {
  const directory = `/proc/${pid}/fd`
  const log = statSync(logPath, { throwIfNoEntry: false })
  if (log === undefined) return false
  return namesIn(directory).some((fd) => {
    const file = statSync(`${directory}/${fd}`, { throwIfNoEntry: false })
    return file !== undefined && file.ino === log.ino && file.dev === log.dev
  })
}

/** None for a process that has ended. */
function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ESRCH') return []
    throw ioError('list', directory, error)
  }
}

async function lstatIfThere(path: string): Promise<Awaited<ReturnType<typeof lstat>> | undefined> {
  try {
    return await lstat(path)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
    throw ioError('examine', path, error)
  }
}

function wrong(container: Container, rule: string, cause?: unknown): OciError {
  const code: ErrorCode = 'ERR_INVALID_ARGUMENT'
  return new OciError(code, `log path ${container.logPath} ${rule}`, {
    ...details(container),
    field: 'logPath',
    cause,
  })
}

function details({ id, logPath }: Container): { containerId: string; file: string } {
  return { containerId: id, file: logPath }
}
