/**
 * One supervisor per state directory: a lock on `<stateDir>/lock` that the kernel releases when nobody holds it any more,
 * however they ended. docs/adr/0010 has the decision.
 *
 * Node has no flock(2). But the lock belongs to the open file and not to the process: util-linux's `flock` locks the one
 * that it inherits from us, and ends. The launcher inherits it too, and keeps the directory locked while it finishes
 * what a killed supervisor had begun. Nobody else gets it: Node opens it with O_CLOEXEC.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { z } from 'zod'
import { errnoOf, inContext, isError, OciError, stderrTailMaxBytes } from '../../errors/index.ts'
import { ensurePrivateDirectory, ioError } from '../../files.ts'
import { namesIn } from '../host/owner-mark.ts'
import { observeProcess, readIdentitySync } from '../process-identity.ts'
import { searchPath } from '../search-path.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { TailBytes } from './bounded-output.ts'
import { endLauncher } from './end-launcher.ts'

export interface StateLock {
  /** To be inherited by the launcher. */
  readonly fd: number
  /** Names the launcher, so that a later supervisor can end it. A failure is the caller's to bear. Throws ERR_IO. */
  nameLauncher(launcher: ProcessIdentity): Promise<void>
  /** Lets go. Others wait for the launcher to do so as well. Never rejects. */
  release(): Promise<void>
}

export interface StateLockOptions {
  /** How long the launcher of a supervisor that has ended is waited for, in all. Default 30 s. */
  readonly waitMs?: number
  /** After this it is ended: it may be stopped, or hang. Default 20 s; it gives itself 15. */
  readonly launcherMs?: number
  /** How long one run of `flock` may take. Default 10 s. */
  readonly attemptMs?: number
  /** Default: ours. */
  readonly path?: string | undefined
}

const conflictExitCode = 200
/** One attempt: whoever holds the lock is looked at between two of them. */
const attemptSeconds = 0.5
/**
 * A record is overwritten in one piece and never cut: a disk that is full by now refuses to take back what it gave.
 * Blanks fill it up.
 */
const recordBytes = 256
const recordMaxBytes = 4096

const identitySchema = z.object({
  pid: z.int().positive(),
  startTicks: z.string().regex(/^\d{1,20}$/),
})
/** The supervisor, until it lets go; and its launcher, which may hold the lock longer. */
const recordSchema = z.object({ ...identitySchema.partial().shape, launcher: identitySchema.optional() })
type LockRecord = z.output<typeof recordSchema>

/**
 * Locks the directory, which is made (0700) if it is missing. ERR_STATE_DIR_LOCKED names whoever has it, at once while
 * that process lives. ERR_RUNTIME_NOT_FOUND without the program `flock`, ERR_IO, ERR_INVALID_ARGUMENT.
 */
export async function lockStateDirectory(
  stateDir: string,
  options: StateLockOptions = {},
): Promise<StateLock> {
  try {
    await ensurePrivateDirectory(stateDir, 'stateDir')
    const handle = await openLockFile(`${stateDir}/lock`)
    await lockOrClose(handle, stateDir, options)
    return heldLock(handle, `${stateDir}/lock`)
  } catch (error) {
    throw inContext(error, { operation: 'open' })
  }
}

async function lockOrClose(
  handle: FileHandle,
  stateDir: string,
  { waitMs = 30_000, launcherMs = 20_000, attemptMs = 10_000, path = searchPath() }: StateLockOptions,
): Promise<void> {
  const file = `${stateDir}/lock`
  try {
    const beganMs = performance.now()
    let seconds = 0
    while (!(await tryToLock({ fd: handle.fd, file, path, seconds, attemptMs }))) {
      seconds = attemptSeconds
      const { launcher, ...rest } = await readRecord(handle)
      const holder = identitySchema.safeParse(rest).data
      if (holder !== undefined && (await observeProcess(holder)) === 'alive') {
        throw lockedBy(stateDir, file, holder)
      }
      const waitedMs = performance.now() - beganMs
      if (waitedMs > waitMs) throw stillLocked(stateDir, file, holder)
      if (waitedMs > launcherMs && launcher !== undefined && (await hasOpen(launcher.pid, handle)))
        await endLauncher(launcher)
    }
    await writeRecord(handle, file, ownIdentity())
  } catch (error) {
    await handle.close()
    throw error
  }
}

function heldLock(handle: FileHandle, file: string): StateLock {
  let launcher: ProcessIdentity | undefined
  return {
    fd: handle.fd,
    nameLauncher: async (identity) => {
      launcher = identity
      await writeRecord(handle, file, { ...ownIdentity(), launcher })
    },
    release: async () => {
      // The record first: or the next one would be told that we hold it, while our launcher does.
      await Promise.allSettled([writeRecord(handle, file, { launcher })])
      await Promise.allSettled([handle.close()])
    },
  }
}

function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTicks: readIdentitySync(process.pid)?.startTicks ?? '0' }
}

/** Whether that process has this very file open, which nobody has but those that hold the lock. Throws ERR_IO. */
async function hasOpen(pid: number, handle: FileHandle): Promise<boolean> {
  const lock = await handle.stat()
  const descriptors = await namesIn(`/proc/${pid}/fd`)
  // What was closed meanwhile is not the lock.
  const files = await Promise.allSettled(descriptors.map((fd) => stat(`/proc/${pid}/fd/${fd}`)))
  return files.some(
    (file) => file.status === 'fulfilled' && file.value.dev === lock.dev && file.value.ino === lock.ino,
  )
}

interface Attempt {
  readonly fd: number
  readonly file: string
  readonly path: string
  readonly seconds: number
  readonly attemptMs: number
}

async function openLockFile(file: string): Promise<FileHandle> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK
  try {
    return await open(file, flags, 0o600)
  } catch (error) {
    throw ioError('open', file, error)
  }
}

async function tryToLock({ fd, file, path, seconds, attemptMs }: Attempt): Promise<boolean> {
  const argv = ['--wait', String(seconds), '--conflict-exit-code', String(conflictExitCode), '3']
  const child = spawn('flock', argv, {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    env: { PATH: path, NODE_V8_COVERAGE: undefined },
    timeout: attemptMs,
    killSignal: 'SIGKILL',
  })
  const [end, words] = await Promise.all([endOf(child), wordsOf(child)])
  if (end === 0) return true
  if (end === conflictExitCode) return false
  if (errnoOf(end) === 'ENOENT') {
    const message = `there is no flock on PATH (${path}); install util-linux, which has it`
    throw new OciError('ERR_RUNTIME_NOT_FOUND', message, { file })
  }
  const silence = end === 'SIGKILL' ? `flock has not ended within ${attemptMs} ms and is killed` : undefined
  const reason = (silence ?? words) || (isError(end) ? end.message : `flock ended with ${end}`)
  throw new OciError('ERR_IO', `cannot lock ${file}: ${reason}`, { file })
}

/** The exit code, the signal, or why it could not be started. */
function endOf(child: ChildProcess): Promise<number | string | Error> {
  return new Promise((resolve) => {
    child.once('error', resolve)
    child.once('exit', (code, signal) => {
      resolve(code ?? signal ?? 'no exit code')
    })
  })
}

async function wordsOf({ stderr }: ChildProcess): Promise<string> {
  const tail = new TailBytes(stderrTailMaxBytes)
  for await (const chunk of stderr ?? []) tail.push(z.instanceof(Buffer).parse(chunk))
  return tail.toString().trim()
}

/** Empty while it is being written for the first time, and when something else stands there. */
async function readRecord(handle: FileHandle): Promise<LockRecord> {
  try {
    const buffer = Buffer.alloc(recordMaxBytes)
    const { bytesRead } = await handle.read(buffer, 0, recordMaxBytes, 0)
    return recordSchema.safeParse(JSON.parse(buffer.toString('utf8', 0, bytesRead))).data ?? {}
  } catch {
    return {}
  }
}

async function writeRecord(handle: FileHandle, file: string, record: LockRecord): Promise<void> {
  try {
    await handle.write(`${JSON.stringify(record).padEnd(recordBytes - 1)}\n`, 0)
    await handle.truncate(recordBytes)
  } catch (error) {
    throw ioError('write', file, error)
  }
}

function lockedBy(stateDir: string, file: string, { pid }: ProcessIdentity): OciError {
  const who = pid === process.pid ? 'another runtime of this process' : `process ${pid}`
  const message = `state directory ${stateDir} is in use by ${who}; a supervisor needs one of its own`
  return new OciError('ERR_STATE_DIR_LOCKED', message, { file })
}

function stillLocked(stateDir: string, file: string, holder: ProcessIdentity | undefined): OciError {
  const who = holder === undefined ? 'a supervisor that has ended' : `process ${holder.pid}, which has ended`
  const message = `state directory ${stateDir} is still in use by the launcher of ${who}; try again when it has finished`
  return new OciError('ERR_STATE_DIR_LOCKED', message, { file })
}
