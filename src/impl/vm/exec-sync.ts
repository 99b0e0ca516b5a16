/**
 * A command whose output is collected: started, waited for, its output read to the end or to the limits. What is not kept
 * is read all the same, so that the command never blocks on a full pipe.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Readable } from 'node:stream'
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import {
  execDrainDefaultMs,
  execOutputDefaultMaxBytes,
  type ExecExit,
  type ExecSyncRequest,
  type ExecSyncResult,
} from '../exec-port.ts'
import { whenExpired, within } from '../launcher/deadlines.ts'
import { exitUnknown } from '../host/exec-errors.ts'
import { checkExecSyncLimits } from '../requests/exec-command.ts'
import { throwIfAborted } from '../host/waiting.ts'
import { runExec, type VmExec } from './exec-process.ts'
import type { VmWorld } from './world.ts'

const SIGKILL = 9
const timerMaxMs = 2 ** 31 - 1
const endLimitMs = 2000
/** Parity: CRI-O's words, which the kubelet knows. */
const timedOutText = 'command timed out'

export async function execSync(
  world: VmWorld,
  container: Container,
  request: ExecSyncRequest,
  signal: AbortSignal,
  onRunning: (exec: VmExec) => void,
): Promise<ExecSyncResult> {
  checkExecSyncLimits(request)
  throwIfAborted(signal)
  const wanted = { terminal: false, stdin: false, stdout: true, stderr: true }
  const over = new AbortController()
  const ends = [timeUp(request.timeoutMs, over.signal), aborted(signal, over.signal)]
  try {
    const exec = await runExec(world, container, request, wanted, 'execSyncContainer')
    onRunning(exec)
    return await collect(exec, container, request, ends)
  } finally {
    over.abort()
  }
}

type Ending = ExecExit | 'timeout' | 'abort'

async function collect(
  exec: VmExec,
  { id: containerId }: Container,
  { argv, drainMs = execDrainDefaultMs, outputMaxBytes = execOutputDefaultMaxBytes }: ExecSyncRequest,
  ends: readonly Promise<Ending>[],
): Promise<ExecSyncResult> {
  const captures = [exec.pipes.stdout, exec.pipes.stderr].map((stream) => capture(stream, outputMaxBytes))
  const end = await Promise.race([exec.exited, ...ends])
  const wasKilled = typeof end === 'string'
  if (wasKilled) await killAndWait(exec)
  const whole = await within(Promise.all(captures.map(({ ended }) => ended)), wasKilled ? 0 : drainMs)
  for (const { stop } of captures) stop()
  await exec.finish(0)
  // The descriptors are closed in the next turn; who counts them may do so at once.
  await delay(0)
  const [stdout = Buffer.alloc(0), stderr = Buffer.alloc(0)] = captures.map(({ bytes }) => bytes())
  const truncated = captures.some(({ isTruncated }) => isTruncated())
  const drained = whole !== undefined
  const failed = { containerId, operation: 'execSyncContainer', argv, monitorArgv: [] } as const
  if (end === 'abort') {
    const message = `the command in container ${containerId} was aborted and ended`
    throw new OciError('ERR_ABORTED', message, { containerId, operation: failed.operation })
  }
  if (end === 'timeout')
    return { exitCode: -1, stdout, stderr: Buffer.from(timedOutText), timedOut: true, truncated, drained }
  if (end.kind === 'unknown') throw exitUnknown(failed, { stdout, stderr })
  return { exitCode: end.code, stdout, stderr, timedOut: false, truncated, drained }
}

async function killAndWait(exec: VmExec): Promise<void> {
  // A shim that refuses is as good as gone, and so is the command.
  await exec.kill(SIGKILL).catch(() => false)
  await within(exec.exited, endLimitMs)
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
    if (timeoutMs !== undefined) whenExpired(Math.min(timeoutMs, timerMaxMs), over, () => resolve('timeout'))
  })
}

/** The listener goes when nobody waits any more: one signal may be given to thousands of probes. */
function aborted(signal: AbortSignal, over: AbortSignal): Promise<'abort'> {
  return new Promise((resolve) => {
    const onAbort = (): void => resolve('abort')
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort)
    over.addEventListener('abort', () => signal.removeEventListener('abort', onAbort), { once: true })
  })
}
