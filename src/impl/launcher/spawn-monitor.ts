/**
 * Starts a monitor and takes its answer.
 *
 * The order is conmon's: spawn, (the supervisor moves it to its cgroup), one byte on the start pipe, the spawned process
 * forks its daemon and exits 0, the daemon writes one line on the sync FIFO and keeps the FIFO open for its life.
 *
 * conmon takes the *end* of the start pipe for the start byte, too. So a monitor that must not start is killed while the
 * pipe is still open; closing the pipe first would create a container that nobody watches.
 */
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { errnoOf, stderrTailMaxBytes } from '../../errors/index.ts'
import { TailBytes } from './bounded-output.ts'
import type { NotStarted } from './command.ts'
import { whenAborted, within } from './deadlines.ts'
import { openBlocking } from './open-fifo.ts'
import type { MonitorAnswer, MonitorRequest } from './protocol.ts'
import { type Child, type ChildExit, drain, killGraceMs, type OwnFd, spawnChild } from './spawn-child.ts'
import { type SyncText, beginningOf, parseSyncText, readSyncLine } from './sync-pipe.ts'

const drainMs = 500
const startFd = 4

export interface MonitorSteps {
  /** The process stands and waits for its start byte. */
  onSpawned(pid: number): void
  /** Resolves when the start byte may be written. */
  readonly go: Promise<void>
  readonly abort: AbortSignal
}

export async function spawnMonitor(
  request: MonitorRequest,
  steps: MonitorSteps,
): Promise<MonitorAnswer | 'aborted'> {
  const spawned = await spawnWithSync(request)
  if ('errno' in spawned) return { kind: 'notStarted', ...spawned }
  const { child, sync } = spawned
  // conmon says on stdout what is wrong with its arguments, and the rest on stderr. Its daemon has /dev/null at both.
  const words = new TailBytes(stderrTailMaxBytes)
  const outputs = [child.pipe(1), child.pipe(2)]
  for (const output of outputs) output.on('data', (chunk: Buffer) => words.push(chunk))
  const said = readSyncLine(sync)
  steps.onSpawned(child.pid)

  const answer = await shakeHands(child, said, request.timeoutMs, steps)
  const created = typeof answer === 'object' && answer.kind === 'created'
  // One that talks nonsense may still run; nothing of a failed create does so through us.
  if (!created) child.kill()
  sync.destroy()
  await drain(outputs, created ? 0 : drainMs)
  child.pipe(startFd).destroy()
  return typeof answer === 'object' && 'stderrTail' in answer
    ? { ...answer, stderrTail: words.toString() }
    : answer
}

/**
 * The monitor is at both ends of its FIFO: so it never dies of an answer that nobody reads, and when all its writers are
 * gone it has died nonetheless.
 */
async function spawnWithSync(
  request: MonitorRequest,
): Promise<{ readonly child: Child; readonly sync: Socket } | NotStarted> {
  const { syncFifo } = request
  const opened: number[] = []
  try {
    const both = openBlocking(syncFifo, 'both')
    opened.push(both)
    const reader = openBlocking(syncFifo, 'read')
    opened.push(reader)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- execa takes any number, its types end at 9
    const child = await spawnChild(request, ['ignore', 'pipe', 'pipe', both as OwnFd, 'pipe'])
    if ('errno' in child) return child
    opened.pop()
    return { child, sync: new Socket({ fd: reader, readable: true, writable: false }) }
  } catch (error) {
    return { errno: errnoOf(error) ?? 'UNKNOWN', path: syncFifo, isFifo: true }
  } finally {
    for (const fd of opened) closeSync(fd)
  }
}

async function shakeHands(
  child: Child,
  said: Promise<SyncText>,
  timeoutMs: number,
  { go, abort }: MonitorSteps,
): Promise<MonitorAnswer | 'aborted'> {
  const aborted = whenAborted(abort)
  const ended = endBeforeAnswer(child, said)
  const first = await Promise.race([aborted, ended, go.then(() => 'go' as const)])
  if (first === 'abort') return abortedOrFailed(child)
  if (first !== 'go') return first

  child.pipe(startFd).end('\0')
  const second = await within(Promise.race([aborted, answerOf(child, said), ended]), timeoutMs)
  if (second === 'abort') return abortedOrFailed(child)
  if (second !== undefined) return second
  await kill(child)
  return { kind: 'timedOut', stderrTail: '' }
}

/** Reaches the spawned process only: a daemon that has forked off is the caller's (see `timedOut` in command.ts). */
function kill(child: Child): Promise<ChildExit | undefined> {
  child.kill()
  return within(child.exited, killGraceMs)
}

/** A monitor that had failed before it was aborted: often the abort is only because of that (no process to move). */
async function abortedOrFailed(child: Child): Promise<MonitorAnswer | 'aborted'> {
  const exit = await kill(child)
  const failed = exit !== undefined && exit.exitCode !== 0 && exit.signal !== 'SIGKILL'
  return failed ? exitedWith(exit) : 'aborted'
}

/** The answer on the sync pipe or, when that ends without one, what the exit status makes of it. */
async function answerOf(child: Child, said: Promise<SyncText>): Promise<MonitorAnswer> {
  const { text, wholeLine } = await said
  const parsed = parseSyncText(text)
  if (parsed !== undefined) return parsed
  if (wholeLine) return { kind: 'garbled', text: beginningOf(text), stderrTail: '' }
  const exit = await child.exited
  if (exit.exitCode !== 0) return exitedWith(exit)
  return text === ''
    ? { kind: 'silent', exitCode: exit.exitCode, stderrTail: '' }
    : { kind: 'garbled', text: beginningOf(text), stderrTail: '' }
}

/** A failed exit decides, also when something still holds the sync pipe open; a clean one is how the daemon forks. */
async function endBeforeAnswer(child: Child, said: Promise<SyncText>): Promise<MonitorAnswer> {
  const exit = await child.exited
  if (exit.exitCode === 0) return answerOf(child, said)
  return (await within(answerOf(child, said), drainMs)) ?? exitedWith(exit)
}

function exitedWith(exit: ChildExit): MonitorAnswer {
  return { kind: 'exited', ...exit, stderrTail: '' }
}
