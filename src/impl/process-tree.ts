/**
 * Ending a process together with everything that came from it, by what /proc says of ancestry and sessions.
 *
 * A member is a descendant of the root, or a process of a session that a member is in, or that the root leads: a child
 * whose parent has ended is nobody's descendant any more, but it keeps its session. The members are stopped before they are killed, so that none
 * forks meanwhile. What gets away is a process that had left both, by setsid(2) and the end of its parent, before this
 * was called; who can tell it by something else says so (`isMarked`).
 */
import { readdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { isOciError } from '../errors/index.ts'
import { ioError } from '../files.ts'
import { killProcess, parseProcessStat, type ProcessStat } from './process-identity.ts'
import { readKernelFile } from './host/kernel-file.ts'
import type { ProcessIdentity } from './runtime-impl.ts'

const SIGKILL = 9
const SIGSTOP = 19
/** Each round finds what was forked before its parent was stopped; a fork bomb is over when no member is left running. */
const roundsMax = 50
const pauseMs = 10
const readAtOnceMax = 32

export interface TreeProcess extends ProcessStat {
  readonly sessionId: number
}

export interface TreeOptions {
  /** Whether a process came from the root, although it is not below it any more. Asked of those that began after it. */
  readonly isMarked?: ((process: TreeProcess) => Promise<boolean>) | undefined
}

/**
 * Kills everything below `root`, but not the root itself: it has to report an end. True when nothing of it is alive any
 * more within `limitMs`. Throws ERR_IO when /proc cannot be read.
 */
export async function endProcessTree(
  root: ProcessIdentity,
  limitMs: number,
  { isMarked }: TreeOptions = {},
): Promise<boolean> {
  const endMs = performance.now() + limitMs
  const stopped = new Map<string, TreeProcess>()
  const sessions = new Set<number>()
  const findMembers = async (): Promise<readonly TreeProcess[]> => {
    const processes = await readProcesses()
    const marked = isMarked === undefined ? undefined : await markedOf(processes, root, isMarked)
    return membersOf(processes, root, sessions, marked)
  }
  for (let round = 0; round < roundsMax; round += 1) {
    const fresh = (await findMembers()).filter((member) => !stopped.has(keyOf(member)))
    for (const member of fresh) {
      stopped.set(keyOf(member), member)
      signalIfAllowed(member, SIGSTOP)
    }
    if (fresh.length === 0) break
  }
  for (;;) {
    const members = await findMembers()
    for (const member of members) signalIfAllowed(member, SIGKILL)
    if (members.length === 0) return true
    if (performance.now() > endMs) return false
    await delay(pauseMs)
  }
}

async function markedOf(
  processes: readonly TreeProcess[],
  root: ProcessIdentity,
  isMarked: (process: TreeProcess) => Promise<boolean>,
): Promise<ReadonlySet<number>> {
  const beganTicks = BigInt(root.startTicks)
  const younger = processes.filter(
    ({ pid, startTicks }) => pid !== root.pid && BigInt(startTicks) >= beganTicks,
  )
  const found = new Set<number>()
  for (let at = 0; at < younger.length; at += readAtOnceMax) {
    const asked = younger.slice(at, at + readAtOnceMax).map(async (process) => {
      if (await isMarked(process)) found.add(process.pid)
    })
    await Promise.all(asked)
  }
  return found
}

/** The living members among `processes`, the `marked` among them. Adds the sessions that they are in to `sessions`. */
export function membersOf(
  processes: readonly TreeProcess[],
  root: ProcessIdentity,
  sessions: Set<number>,
  marked: ReadonlySet<number> = new Set(),
): readonly TreeProcess[] {
  const rootNow = processes.find(({ pid, startTicks }) => pid === root.pid && startTicks === root.startTicks)
  const members = new Set<number>()
  if (rootNow !== undefined && rootNow.sessionId === root.pid) sessions.add(root.pid)
  const sizeOf = (): number => members.size + sessions.size
  for (let before = -1; before !== sizeOf();) {
    before = sizeOf()
    for (const { pid, parentPid, sessionId } of processes) {
      if (pid === root.pid) continue
      const isChild = members.has(parentPid) || (rootNow !== undefined && parentPid === root.pid)
      if (!isChild && !sessions.has(sessionId) && !marked.has(pid)) continue
      members.add(pid)
      // The root's own session may be that of whoever started it, and 0 is that of kernel threads.
      if (sessionId > 1 && sessionId !== rootNow?.sessionId) sessions.add(sessionId)
    }
  }
  return processes.filter((candidate) => members.has(candidate.pid) && !'ZXx'.includes(candidate.state))
}

let reading: Promise<unknown> | undefined
let nextReading: Promise<readonly TreeProcess[]> | undefined

/**
 * Everybody on this host, or in our pid namespace. One reading serves all who have asked before it began: with a container
 * a hundred commands may end at once. Throws ERR_IO.
 */
export function readProcesses(): Promise<readonly TreeProcess[]> {
  nextReading ??= readAfter(reading)
  return nextReading
}

async function readAfter(earlier: Promise<unknown> | undefined): Promise<readonly TreeProcess[]> {
  await Promise.allSettled([earlier])
  nextReading = undefined
  const own = readAllProcesses()
  reading = own
  try {
    return await own
  } finally {
    if (reading === own) reading = undefined
  }
}

async function readAllProcesses(): Promise<readonly TreeProcess[]> {
  const pids = (await namesIn('/proc')).filter((name) => /^\d+$/.test(name))
  const found: TreeProcess[] = []
  for (let at = 0; at < pids.length; at += readAtOnceMax) {
    const texts = pids.slice(at, at + readAtOnceMax).map((pid) => readKernelFile(`/proc/${pid}/stat`))
    for (const text of await Promise.all(texts)) {
      const read = text === undefined ? undefined : parseTreeProcess(text)
      if (read !== undefined) found.push(read)
    }
  }
  return found
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    throw ioError('read', directory, error)
  }
}

/** The session is the fourth field after the name, which may contain anything but ends with the last parenthesis. */
export function parseTreeProcess(line: string): TreeProcess | undefined {
  const stat = parseProcessStat(line)
  const sessionId = Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[3])
  return stat === undefined || !Number.isInteger(sessionId) ? undefined : { ...stat, sessionId }
}

/** One that we may not signal must not save the others; it is still alive afterwards, which is what the caller learns. */
export function signalIfAllowed(process: ProcessIdentity, signal: number): void {
  try {
    killProcess(process, signal)
  } catch (error) {
    if (!isOciError(error) || error.code !== 'ERR_UNSUPPORTED') throw error
  }
}

function keyOf({ pid, startTicks }: TreeProcess): string {
  return `${pid} ${startTicks}`
}
