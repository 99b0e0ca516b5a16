/**
 * A command whose output is collected: started, waited for, its output read to the end or to the limits.
 *
 * All output is read even when no more of it is kept, so the command never blocks on a full pipe. After its end a bounded
 * time is given to what it left behind with its output open.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import {
  execDrainDefaultMs,
  execOutputDefaultMaxBytes,
  execTimedOutText,
  type ExecSyncRequest,
  type ExecSyncResult,
} from '../exec-port.ts'
import { checkExecSyncLimits } from '../requests/exec-command.ts'
import { FifoCapture, FifoEnd } from '../fifo.ts'
import { whenExpired, within } from '../launcher/deadlines.ts'
import { exitUnknown, notRun, type FailedExec } from '../host/exec-errors.ts'
import { unlinkIfThere } from '../host/exec-home.ts'
import { launchExec, type ExecOutcome, type ExecWorld, type LaunchedExec } from './exec-launch.ts'
import { throwIfAborted } from '../host/waiting.ts'

/** Node's timers take no more; nobody waits longer. */
const timerMaxMs = 2 ** 31 - 1
const endLimitMs = 2000

export interface SyncHooks {
  /** The command runs, or soon will. */
  onLaunched(launched: LaunchedExec): void
}

export async function execSync(
  world: ExecWorld,
  container: Container,
  request: ExecSyncRequest,
  signal: AbortSignal,
  hooks: SyncHooks,
): Promise<ExecSyncResult> {
  checkExecSyncLimits(request)
  throwIfAborted(signal)
  const launching = launch(world, container, request, hooks)
  const first = await firstOf(launching, request.timeoutMs, signal)
  if (typeof first === 'string') {
    // It has not begun in its time. It is ended as soon as it does, but a launcher that does not answer is not waited for.
    await within(
      launching.then(endLate).catch(() => undefined),
      endLimitMs,
    )
    const nothing = { stdout: Buffer.alloc(0), truncated: false, drained: true }
    return cutShort(first, container.id, nothing)
  }
  const { launched, captures } = first
  const failed = { containerId: container.id, operation: 'execSyncContainer', argv: request.argv } as const
  const { exit, drained } = await collect(launched, captures, { ...request, signal })
  return resultOf(exit, captures, drained, { ...failed, monitorArgv: launched.argv })
}

type Captures = readonly [stdout: FifoCapture, stderr: FifoCapture]

interface Launched {
  readonly launched: LaunchedExec
  readonly captures: Captures
}

async function launch(
  world: ExecWorld,
  container: Container,
  request: ExecSyncRequest,
  hooks: SyncHooks,
): Promise<Launched> {
  const { outputMaxBytes = execOutputDefaultMaxBytes } = request
  const paths = await world.home.takeFifos(2)
  const ends: FifoEnd[] = []
  try {
    const [stdout, stderr] = paths
    for (const path of paths) ends.push(FifoEnd.toRead(path))
    const launched = await launchExec(world, container, request, { stdout, stderr })
    hooks.onLaunched(launched)
    const [out, err] = ends.map((end) => new FifoCapture(end, outputMaxBytes))
    if (out === undefined || err === undefined) throw new Error('two FIFOs were asked for')
    return { launched, captures: [out, err] }
  } finally {
    for (const end of ends) end.abandon()
    // Whoever uses them has opened them.
    await Promise.allSettled(paths.map(unlinkIfThere))
  }
}

async function endLate({ launched, captures }: Launched): Promise<void> {
  const isCleared = await launched.end(endLimitMs)
  for (const capture of captures) capture.close()
  if (isCleared) await launched.cleared
}

type Limit = 'timeout' | 'abort'
type Ending = ExecOutcome | Limit

async function collect(
  launched: LaunchedExec,
  captures: Captures,
  { timeoutMs, drainMs = execDrainDefaultMs, signal }: ExecSyncRequest & { readonly signal: AbortSignal },
): Promise<{ exit: Ending; drained: boolean }> {
  const exit = await firstOf(launched.outcome, timeoutMs, signal)
  // One that does not end is given up on: it may be stuck in the kernel, or the launcher does not tell of its end.
  const isCleared = typeof exit !== 'string' || (await launched.end(endLimitMs))
  const ended = Promise.all(captures.map((capture) => capture.ended))
  // What was killed has nothing more to say; what escaped may go on for ever.
  const whole = await within(ended, typeof exit === 'string' ? 0 : drainMs)
  if (isCleared) await launched.cleared
  for (const capture of captures) capture.close()
  // The descriptors are closed in the next turn; who counts them may do so at once.
  await turn()
  return { exit, drained: whole !== undefined }
}

async function firstOf<Outcome>(
  outcome: Promise<Outcome>,
  timeoutMs: number | undefined,
  signal: AbortSignal,
): Promise<Outcome | Limit> {
  const over = new AbortController()
  const limits: Promise<Limit>[] = [aborted(signal, over.signal)]
  if (timeoutMs !== undefined)
    limits.push(
      new Promise((resolve) =>
        whenExpired(Math.min(timeoutMs, timerMaxMs), over.signal, () => resolve('timeout')),
      ),
    )
  try {
    return await Promise.race([outcome, ...limits])
  } finally {
    over.abort()
  }
}

/** The listener goes when nobody waits any more: one signal may be given to thousands of probes. */
function aborted(signal: AbortSignal, over: AbortSignal): Promise<'abort'> {
  return new Promise((resolve) => {
    const onAbort = (): void => resolve('abort')
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort)
    // By hand: the option `signal` leaves some bytes with the target each time.
    over.addEventListener('abort', () => signal.removeEventListener('abort', onAbort), { once: true })
  })
}

function resultOf(exit: Ending, [out, err]: Captures, drained: boolean, failed: FailedExec): ExecSyncResult {
  const output = { stdout: out.bytes, stderr: err.bytes }
  const truncated = out.truncated || err.truncated
  if (typeof exit === 'string') return cutShort(exit, failed.containerId, { ...output, truncated, drained })
  const { monitorExit } = exit
  if (exit.kind === 'failed') throw notRun(exit.words, { ...failed, monitorExit }, output)
  if (exit.exit.kind === 'unknown') throw exitUnknown({ ...failed, monitorExit }, output)
  return { exitCode: exit.exit.code, ...output, timedOut: false, truncated, drained }
}

/** Without an outcome of its own: what it had written by then is all there is. */
function cutShort(
  limit: Limit,
  containerId: string,
  { stdout, truncated, drained }: Pick<ExecSyncResult, 'stdout' | 'truncated' | 'drained'>,
): ExecSyncResult {
  if (limit === 'timeout') {
    const stderr = Buffer.from(execTimedOutText)
    return { exitCode: -1, stdout, stderr, timedOut: true, truncated, drained }
  }
  const message = `the command in container ${containerId} was aborted and ended`
  throw new OciError('ERR_ABORTED', message, { containerId, operation: 'execSyncContainer' })
}
