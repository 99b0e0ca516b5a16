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
import { open, type FileHandle } from 'node:fs/promises'
import { z } from 'zod'
import { errnoOf, inContext, isError, OciError, stderrTailMaxBytes } from '../../errors/index.ts'
import { ensurePrivateDirectory, ioError } from '../../files.ts'
import { observeProcess, readIdentitySync } from '../process-identity.ts'
import { searchPath } from '../search-path.ts'
import { TailBytes } from './bounded-output.ts'

export interface StateLock {
  /** To be inherited by the launcher. */
  readonly fd: number
  /** Lets go. Others wait for the launcher to do so as well. Never rejects. */
  release(): Promise<void>
}

export interface StateLockOptions {
  /** How long the launcher of a supervisor that has ended may take to finish. Default 30 s. */
  readonly waitMs?: number
  /** Default: ours. */
  readonly path?: string | undefined
}

const conflictExitCode = 200
/** One attempt: whoever holds the lock is looked at between two of them. */
const attemptSeconds = 0.5
const attemptLimitMs = 10_000
const recordMaxBytes = 4096

const holderSchema = z.object({ pid: z.int().positive(), startTicks: z.string().regex(/^\d{1,20}$/) })
type Holder = z.output<typeof holderSchema>

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
    return { fd: handle.fd, release: () => release(handle) }
  } catch (error) {
    throw inContext(error, { operation: 'open' })
  }
}

async function lockOrClose(
  handle: FileHandle,
  stateDir: string,
  { waitMs = 30_000, path = searchPath() }: StateLockOptions,
): Promise<void> {
  const file = `${stateDir}/lock`
  try {
    const endMs = performance.now() + waitMs
    let seconds = 0
    while (!(await tryToLock({ fd: handle.fd, file, path, seconds }))) {
      seconds = attemptSeconds
      const holder = await readHolder(handle)
      if (holder !== undefined && (await observeProcess(holder)) === 'alive') {
        throw lockedBy(stateDir, file, holder)
      }
      if (performance.now() > endMs) throw stillLocked(stateDir, file, holder)
    }
    await writeHolder(handle, file)
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** The record first: or who comes next would be told that we hold it, while our launcher does. */
async function release(handle: FileHandle): Promise<void> {
  await Promise.allSettled([handle.truncate(0)])
  await Promise.allSettled([handle.close()])
}

interface Attempt {
  readonly fd: number
  readonly file: string
  readonly path: string
  readonly seconds: number
}

async function openLockFile(file: string): Promise<FileHandle> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK
  try {
    return await open(file, flags, 0o600)
  } catch (error) {
    throw ioError('open', file, error)
  }
}

async function tryToLock({ fd, file, path, seconds }: Attempt): Promise<boolean> {
  const argv = ['--wait', String(seconds), '--conflict-exit-code', String(conflictExitCode), '3']
  const child = spawn('flock', argv, {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    env: { PATH: path, NODE_V8_COVERAGE: undefined },
    timeout: attemptLimitMs,
    killSignal: 'SIGKILL',
  })
  const [end, words] = await Promise.all([endOf(child), wordsOf(child)])
  if (end === 0) return true
  if (end === conflictExitCode) return false
  if (errnoOf(end) === 'ENOENT') {
    const message = `there is no flock on PATH (${path}); install util-linux, which has it`
    throw new OciError('ERR_RUNTIME_NOT_FOUND', message, { file })
  }
  const reason = words || (isError(end) ? end.message : `flock ended with ${end}`)
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

/** Undefined while it is being written, after a release, and when something else stands there. */
async function readHolder(handle: FileHandle): Promise<Holder | undefined> {
  try {
    const buffer = Buffer.alloc(recordMaxBytes)
    const { bytesRead } = await handle.read(buffer, 0, recordMaxBytes, 0)
    return holderSchema.safeParse(JSON.parse(buffer.toString('utf8', 0, bytesRead))).data
  } catch {
    return undefined
  }
}

async function writeHolder(handle: FileHandle, file: string): Promise<void> {
  const holder = readIdentitySync(process.pid)
  try {
    await handle.truncate(0)
    await handle.write(`${JSON.stringify({ ...holder, pid: process.pid })}\n`, 0)
  } catch (error) {
    throw ioError('write', file, error)
  }
}

function lockedBy(stateDir: string, file: string, { pid }: Holder): OciError {
  const who = pid === process.pid ? 'another runtime of this process' : `process ${pid}`
  const message = `state directory ${stateDir} is in use by ${who}; a supervisor needs one of its own`
  return new OciError('ERR_STATE_DIR_LOCKED', message, { file })
}

function stillLocked(stateDir: string, file: string, holder: Holder | undefined): OciError {
  const who = holder === undefined ? 'a supervisor that has ended' : `process ${holder.pid}, which has ended`
  const message = `state directory ${stateDir} is still in use by the launcher of ${who}; try again when it has finished`
  return new OciError('ERR_STATE_DIR_LOCKED', message, { file })
}
