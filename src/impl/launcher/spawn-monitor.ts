/**
 * Starts a monitor and takes its answer.
 *
 * The order is conmon's: spawn, (the supervisor moves it to its cgroup), one byte on the start pipe, the spawned process
 * forks its daemon and exits 0, the daemon writes one line on the sync pipe and keeps the pipe open for its life.
 *
 * conmon takes the *end* of the start pipe for the start byte, too. So a monitor that must not start is killed while the
 * pipe is still open; closing the pipe first would create a container that nobody watches.
 */
import type { Socket } from 'node:net'
import { stderrTailMaxBytes } from '../../errors/index.ts'
import { TailBytes } from './bounded-output.ts'
import { whenAborted, within } from './deadlines.ts'
import type { MonitorAnswer, MonitorRequest } from './protocol.ts'
import { type Child, type ChildExit, drain, killGraceMs, spawnChild } from './spawn-child.ts'
import { type SyncText, beginningOf, parseSyncText, readSyncLine } from './sync-pipe.ts'

const drainMs = 500

export interface MonitorSteps {
  /** The process stands and waits for its start byte. */
  onSpawned(pid: number): void
  /** Resolves when the start byte may be written. */
  readonly go: Promise<void>
  /** Takes the sync socket over, still open as far as we know. */
  handOver(sync: Socket): void
  readonly abort: AbortSignal
}

export async function spawnMonitor(
  request: MonitorRequest,
  steps: MonitorSteps,
): Promise<MonitorAnswer | 'aborted'> {
  const child = await spawnChild(request, ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'])
  if ('errno' in child) return { kind: 'notStarted', ...child }
  const stderr = new TailBytes(stderrTailMaxBytes)
  child.pipe(2).on('data', (chunk: Buffer) => stderr.push(chunk))
  const sync = child.pipe(3)
  const said = readSyncLine(sync)
  steps.onSpawned(child.pid)

  const answer = await shakeHands(child, said, request.timeoutMs, steps)
  const created = typeof answer === 'object' && answer.kind === 'created'
  if (created) {
    steps.handOver(sync)
  } else {
    // One that talks nonsense may still run; nothing of a failed create does so through us.
    child.kill()
    sync.destroy()
  }
  // The daemon has /dev/null there, so only the output of the spawned process itself can be left.
  await drain([child.pipe(2)], created ? 0 : drainMs)
  child.pipe(4).destroy()
  return typeof answer === 'object' && 'stderrTail' in answer
    ? { ...answer, stderrTail: stderr.toString() }
    : answer
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

  child.pipe(4).end('\0')
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
