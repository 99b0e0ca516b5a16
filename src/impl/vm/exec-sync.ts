/**
 * A command whose output is collected: started, waited for, its output read to the end or to the limits. What is not kept
 * is read all the same, so that the command never blocks on a full pipe.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Readable } from 'node:stream'
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import { execStartTimeoutError } from '../../surroundings/abort.ts'
import {
  execDrainDefaultMs,
  execOutputDefaultMaxBytes,
  execTimedOutText,
  type ExecExit,
  type ExecOptions,
  type ExecSyncRequest,
  type ExecSyncResult,
} from '../exec-port.ts'
import { abortedWhile, whenExpired, within } from '../launcher/deadlines.ts'
import { exitUnknown } from '../host/exec-errors.ts'
import { checkExecSyncLimits } from '../requests/exec-command.ts'
import { throwIfAborted } from '../host/waiting.ts'
import { endWhenBegun, endWithin, runExec, type VmExec } from './exec-process.ts'
import type { VmWorld } from './world.ts'

const endLimitMs = 2000

export interface SyncHooks {
  readonly onRunning: (exec: VmExec) => void
  /** It is answered before the command runs; when this has settled, the command has ended. */
  readonly onLeft: (ending: Promise<void>) => void
}

export async function execSync(
  world: VmWorld,
  container: Container,
  request: ExecSyncRequest,
  { signal, startTimeoutMs }: ExecOptions,
  hooks: SyncHooks,
): Promise<ExecSyncResult> {
  checkExecSyncLimits(request)
  throwIfAborted(signal)
  const wanted = { terminal: false, stdin: false, stdout: true, stderr: true }
  const over = new AbortController()
  const ends: readonly Promise<Cut>[] = [
    timeUp(request.timeoutMs, over.signal),
    abortedWhile(signal, over.signal),
  ]
  try {
    const starting = runExec(world, container, request, wanted, 'execSyncContainer')
    const begun = await Promise.race([starting, notStarted(startTimeoutMs, over.signal), ...ends])
    if (typeof begun === 'string') {
      hooks.onLeft(endWhenBegun(starting))
      if (begun === 'notStarted') {
        const waiter = { containerId: container.id, operation: 'execSyncContainer' } as const
        throw execStartTimeoutError(waiter, startTimeoutMs ?? 0)
      }
      return resultOf(begun, container, request, nothing)
    }
    hooks.onRunning(begun)
    return await collect(begun, container, request, ends)
  } finally {
    over.abort()
  }
}

type Cut = 'timeout' | 'abort'
type Ending = ExecExit | Cut
type Output = Pick<ExecSyncResult, 'stdout' | 'stderr' | 'truncated' | 'drained'>

const nothing: Output = {
  stdout: Buffer.alloc(0),
  stderr: Buffer.alloc(0),
  truncated: false,
  drained: true,
}

async function collect(
  exec: VmExec,
  container: Container,
  request: ExecSyncRequest,
  ends: readonly Promise<Cut>[],
): Promise<ExecSyncResult> {
  const { drainMs = execDrainDefaultMs, outputMaxBytes = execOutputDefaultMaxBytes } = request
  const captures = [exec.pipes.stdout, exec.pipes.stderr].map((stream) => capture(stream, outputMaxBytes))
  const end = await Promise.race([exec.exited, ...ends])
  const wasKilled = typeof end === 'string'
  if (wasKilled) await endWithin(exec, endLimitMs)
  const whole = await within(Promise.all(captures.map(({ ended }) => ended)), wasKilled ? 0 : drainMs)
  for (const { stop } of captures) stop()
  await exec.finish(0)
  const drained = whole !== undefined
  const removed = exec.remove()
  // A shim that waits for others to let go of the output, or is mute, keeps nobody waiting.
  if (drained && !wasKilled) await removed
  // The descriptors are closed in the next turn; who counts them may do so at once.
  await delay(0)
  const [stdout = Buffer.alloc(0), stderr = Buffer.alloc(0)] = captures.map(({ bytes }) => bytes())
  const truncated = captures.some(({ isTruncated }) => isTruncated())
  return resultOf(end, container, request, { stdout, stderr, truncated, drained })
}

function resultOf(
  end: Ending,
  { id: containerId }: Container,
  { argv }: ExecSyncRequest,
  { stdout, stderr, truncated, drained }: Output,
): ExecSyncResult {
  const failed = { containerId, operation: 'execSyncContainer', argv, monitorArgv: [] } as const
  if (end === 'abort') {
    const message = `the command in container ${containerId} was aborted and ended`
    throw new OciError('ERR_ABORTED', message, { containerId, operation: failed.operation })
  }
  if (end === 'timeout')
    return { exitCode: -1, stdout, stderr: Buffer.from(execTimedOutText), timedOut: true, truncated, drained }
  if (end.kind === 'unknown') throw exitUnknown(failed, { stdout, stderr })
  return { exitCode: end.code, stdout, stderr, timedOut: false, truncated, drained }
}

interface Capture {
  readonly ended: Promise<void>
  readonly bytes: () => Buffer
  readonly isTruncated: () => boolean
  readonly stop: () => void
}

function capture(stream: Readable | undefined, bytesMax: number): Capture {
  const chunks: Buffer[] = []
  let keptBytes = 0
  let truncated = false
  const ended = new Promise<void>((resolve) => {
    if (stream === undefined) {
      resolve()
      return
    }
    stream
      .on('data', (chunk: Buffer) => {
        const part = chunk.subarray(0, bytesMax - keptBytes)
        truncated ||= part.length < chunk.length
        keptBytes += part.length
        if (part.length > 0) chunks.push(part)
      })
      // A broken pipe of ours ends it as any end does.
      .on('error', () => resolve())
      .once('end', resolve)
  })
  return {
    ended,
    bytes: () => Buffer.concat(chunks),
    isTruncated: () => truncated,
    stop: () => void stream?.destroy(),
  }
}

function timeUp(timeoutMs: number | undefined, over: AbortSignal): Promise<'timeout'> {
  return new Promise((resolve) => {
    if (timeoutMs !== undefined) whenExpired(timeoutMs, over, () => resolve('timeout'))
  })
}

function notStarted(limitMs: number | undefined, over: AbortSignal): Promise<'notStarted'> {
  return new Promise((resolve) => {
    if (limitMs !== undefined) whenExpired(limitMs, over, () => resolve('notStarted'))
  })
}
