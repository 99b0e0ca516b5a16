/**
 * Host processes by identity, never by bare pid: who a pid is, whether that process still lives, and the one door
 * through which it is signalled.
 *
 * Deliberately not here: process groups, cgroups, and processes inside a VM, which have no host pid. On hosts other than
 * Linux there is no /proc and nothing of ours: reads answer undefined and every identity is gone.
 *
 * Invariant: no other file of this library calls `process.kill`.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { errnoOf, isOciError, OciError, type OciErrorDetails } from '../errors/index.ts'
import type { ProcessIdentity } from './runtime-impl.ts'

/** The fields of /proc/PID/stat that we use; see proc_pid_stat(5). */
export interface ProcessStat {
  readonly pid: number
  /** Any bytes, blanks and parentheses included: the process chooses it. */
  readonly command: string
  /** One letter, e.g. `D` for uninterruptible sleep. */
  readonly state: string
  readonly parentPid: number
  readonly groupPid: number
  readonly threads: number
  /** Clock ticks since boot, as written: it may outgrow a double. */
  readonly startTicks: string
}

/** A stat line is below 400 bytes: 52 numbers and a name of at most 64. */
const statMaxBytes = 4096
const onLinux = process.platform === 'linux'

/** The fields of one line of /proc/PID/stat, or undefined when it is none. */
export function parseProcessStat(line: string): ProcessStat | undefined {
  const nameBegin = line.indexOf('(')
  // The last one: a process may call itself `a) R (b`, but no later field has a parenthesis.
  const nameEnd = line.lastIndexOf(')')
  if (nameBegin < 0 || nameEnd < nameBegin) return undefined
  const [state, parent, group, ...rest] = line
    .slice(nameEnd + 1)
    .trim()
    .split(' ')
  const pid = wholeNumber(line.slice(0, nameBegin).trim())
  const parentPid = wholeNumber(parent)
  const groupPid = wholeNumber(group)
  // Fields are numbered from 1 in the manual; `rest` begins at field 6.
  const threads = wholeNumber(rest[20 - 6])
  const startTicks = rest[22 - 6]
  if (pid === undefined || parentPid === undefined || groupPid === undefined || threads === undefined)
    return undefined
  if (state === undefined || !/^[A-Za-z]$/.test(state)) return undefined
  if (startTicks === undefined || !/^\d+$/.test(startTicks)) return undefined
  return { pid, command: line.slice(nameBegin + 1, nameEnd), state, parentPid, groupPid, threads, startTicks }
}

/** What /proc says of `pid`, zombies included; undefined when there is no such process. Throws like {@link processState}. */
export function readProcessStatSync(pid: number): ProcessStat | undefined {
  if (!onLinux) return undefined
  const file = statPath(pid)
  const line = readLineSync(file) ?? (isHidden(pid) ? readLineSync(file) : undefined)
  return understood(pid, file, line)
}

/** {@link readProcessStatSync} without holding up the event loop. */
export async function readProcessStat(pid: number): Promise<ProcessStat | undefined> {
  if (!onLinux) return undefined
  const file = statPath(pid)
  const line = (await readLine(file)) ?? (isHidden(pid) ? await readLine(file) : undefined)
  return understood(pid, file, line)
}

/** Who `pid` is now; undefined when no process of that pid lives. Throws like {@link processState}. */
export function readIdentitySync(pid: number): ProcessIdentity | undefined {
  return livingIdentity(readProcessStatSync(pid))
}

/** {@link readIdentitySync} without holding up the event loop. */
export async function readIdentity(pid: number): Promise<ProcessIdentity | undefined> {
  return livingIdentity(await readProcessStat(pid))
}

/**
 * Whether this very process lives. Gone are: a pid that does not exist, one that belongs to a process started at another
 * time, and a zombie. Throws ERR_IO or ERR_UNSUPPORTED when /proc cannot tell: an error is never read as absence.
 */
export function processState(identity: ProcessIdentity): 'alive' | 'gone' {
  return isLiving(readProcessStatSync(identity.pid), identity) ? 'alive' : 'gone'
}

/** {@link processState} without holding up the event loop. */
export async function observeProcess(identity: ProcessIdentity): Promise<'alive' | 'gone'> {
  return isLiving(await readProcessStat(identity.pid), identity) ? 'alive' : 'gone'
}

/** What this very process does, as the letter of /proc/PID/stat; undefined when it is gone, or /proc cannot tell. */
export function schedulingState(identity: ProcessIdentity): string | undefined {
  try {
    const stat = readProcessStatSync(identity.pid)
    return stat !== undefined && isLiving(stat, identity) ? stat.state : undefined
  } catch (error) {
    if (isOciError(error)) return undefined
    throw error
  }
}

/**
 * False when no process has this pid, at the cost of one system call. True says little: it may be a zombie or a stranger.
 */
export function pidExists(pid: number): boolean {
  assertForeignPid(pid)
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Anything but ESRCH (EPERM above all) means that somebody is there.
    return errnoOf(error) !== 'ESRCH'
  }
}

/**
 * Sends signal number `signal` (1 to 64) to this very process and to no other; false when it is gone already.
 * The one door through which host pids are signalled: the identity is checked in the same turn, immediately before.
 * Between check and call a few microseconds remain in which the pid would have to be freed and handed out again;
 * the kernel hands out all other pids first.
 *
 * Throws ERR_INVALID_ARGUMENT for pid ≤ 1, our own pid or an impossible signal, ERR_UNSUPPORTED when we are not allowed
 * to signal the process, and what {@link processState} throws.
 */
export function killProcess(identity: ProcessIdentity, signal: number): boolean {
  const { pid } = identity
  assertForeignPid(pid)
  if (!Number.isInteger(signal) || signal < 1 || signal > 64) {
    throw fault('ERR_INVALID_ARGUMENT', `signal ${signal} must be a number from 1 to 64`, { field: 'signal' })
  }
  if (processState(identity) === 'gone') return false
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false
    const message = `process ${pid} may not be signalled by user ${process.geteuid?.() ?? 'unknown'}: its owner or CAP_KILL is needed`
    throw fault('ERR_UNSUPPORTED', message, { cause: error })
  }
}

let knownBootId: string | undefined

/** The kernel's id of this boot: start times of another boot say nothing. Undefined where there is none. Throws ERR_IO. */
export function bootId(): string | undefined {
  if (!onLinux) return undefined
  const file = '/proc/sys/kernel/random/boot_id'
  try {
    knownBootId ??= readFileSync(file, 'latin1').trim()
    return knownBootId
  } catch (error) {
    throw fault('ERR_IO', `${file} cannot be read`, { file, cause: error })
  }
}

function livingIdentity(stat: ProcessStat | undefined): ProcessIdentity | undefined {
  if (stat === undefined || isDead(stat)) return undefined
  return { pid: stat.pid, startTicks: stat.startTicks }
}

function isLiving(stat: ProcessStat | undefined, identity: ProcessIdentity): boolean {
  return stat !== undefined && stat.startTicks === identity.startTicks && !isDead(stat)
}

/**
 * A dead process stays a zombie until its parent reaps it, for ever if the parent never does. A `Z` with more than one
 * thread is something else: the first thread has ended alone and the others run on.
 */
function isDead(stat: ProcessStat): boolean {
  return (stat.state === 'Z' || stat.state === 'X' || stat.state === 'x') && stat.threads <= 1
}

/** Pid 0 and negative pids are groups to kill(2), 1 is the host's init, and our own is the embedder's process. */
function assertForeignPid(pid: number): void {
  if (Number.isInteger(pid) && pid > 1 && pid <= 0x7fff_ffff && pid !== process.pid) return
  throw fault(
    'ERR_INVALID_ARGUMENT',
    `pid ${pid} must be the pid of another process than init and this one`,
    {
      field: 'pid',
    },
  )
}

function statPath(pid: number): string {
  if (Number.isInteger(pid) && pid > 0) return `/proc/${pid}/stat`
  throw fault('ERR_INVALID_ARGUMENT', `pid ${pid} must be a positive integer`, { field: 'pid' })
}

/** True when /proc shows no `pid` although it exists: mounted with hidepid, not mounted, or born this moment. */
function isHidden(pid: number): boolean {
  return pid !== 1 && pid !== process.pid && pidExists(pid)
}

function understood(pid: number, file: string, line: string | undefined): ProcessStat | undefined {
  if (line === undefined) {
    if (!isHidden(pid)) return undefined
    throw fault(
      'ERR_UNSUPPORTED',
      `process ${pid} exists but ${file} does not: /proc must be mounted without hidepid`,
      {
        file,
      },
    )
  }
  const stat = parseProcessStat(line)
  if (stat?.pid === pid) return stat
  throw fault('ERR_IO', `${file} is not in the format of proc_pid_stat(5)`, { file })
}

let reserveFd: number | undefined
let reserveHolders = 0

/**
 * Keeps one descriptor for looking at processes until the returned function is called: an embedder that has none left must
 * still be able to kill. Throws ERR_IO when there is none now.
 */
export function holdReserveDescriptor(): () => void {
  if (!onLinux) return () => undefined
  reserveFd ??= openReserve()
  reserveHolders += 1
  let isHeld = true
  return () => {
    if (!isHeld) return
    isHeld = false
    reserveHolders -= 1
    if (reserveHolders > 0 || reserveFd === undefined) return
    closeSync(reserveFd)
    reserveFd = undefined
  }
}

function openReserve(): number {
  const file = '/dev/null'
  try {
    return openSync(file, 'r')
  } catch (error) {
    throw fault('ERR_IO', `${file} cannot be opened: ${errnoOf(error)}`, { file, cause: error })
  }
}

/** Between the two a thread of the pool may take the descriptor; then the next attempt has better luck. */
function openWithReserve(file: string): number {
  try {
    return openSync(file, 'r')
  } catch (error) {
    const errno = errnoOf(error)
    if (reserveFd === undefined || (errno !== 'EMFILE' && errno !== 'ENFILE')) throw error
    closeSync(reserveFd)
    reserveFd = undefined
    return openSync(file, 'r')
  }
}

function closeAndRefillReserve(fd: number): void {
  closeSync(fd)
  if (reserveHolders === 0 || reserveFd !== undefined) return
  try {
    reserveFd = openReserve()
  } catch {
    // Somebody was faster. It is tried again after the next look.
    reserveFd = undefined
  }
}

function readLineSync(file: string): string | undefined {
  let fd: number | undefined
  try {
    fd = openWithReserve(file)
    const buffer = Buffer.allocUnsafe(statMaxBytes)
    return buffer.toString('latin1', 0, readSync(fd, buffer, 0, statMaxBytes, 0))
  } catch (error) {
    return absentOrThrow(error, file)
  } finally {
    if (fd !== undefined) closeAndRefillReserve(fd)
  }
}

async function readLine(file: string): Promise<string | undefined> {
  try {
    const handle = await open(file, 'r')
    try {
      const buffer = Buffer.allocUnsafe(statMaxBytes)
      const { bytesRead } = await handle.read(buffer, 0, statMaxBytes, 0)
      return buffer.toString('latin1', 0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (error) {
    return absentOrThrow(error, file)
  }
}

/** ENOENT: no such process. ESRCH: it went between open and read. Everything else (EMFILE, EACCES, …) says nothing. */
function absentOrThrow(error: unknown, file: string): undefined {
  const errno = errnoOf(error)
  if (errno === 'ENOENT' || errno === 'ESRCH') return undefined
  throw fault('ERR_IO', `${file} cannot be read`, { file, cause: error })
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined
}

function fault(
  code: 'ERR_INVALID_ARGUMENT' | 'ERR_IO' | 'ERR_UNSUPPORTED',
  message: string,
  details: OciErrorDetails,
): OciError {
  return new OciError(code, message, details)
}
