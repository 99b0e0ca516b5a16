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
  const { timeoutMs, outputMaxBytes = execOutputDefaultMaxBytes } = request
  checkExecSyncLimits(request)
  throwIfAborted(signal)
  const paths = await world.home.takeFifos(2)
  const ends: FifoEnd[] = []
  let unlinked: Promise<unknown> | undefined
  try {
    const [stdout, stderr] = paths
    for (const path of paths) ends.push(FifoEnd.toRead(path))
    const launched = await launchExec(world, container, request, { stdout, stderr })
    // Whoever uses them has opened them.
    unlinked = Promise.allSettled(paths.map(unlinkIfThere))
    hooks.onLaunched(launched)
    const [out, err] = ends.map((end) => new FifoCapture(end, outputMaxBytes))
    if (out === undefined || err === undefined) throw new Error('two FIFOs were asked for')
    const failed = { containerId: container.id, operation: 'execSyncContainer', argv: request.argv } as const
    const { exit, drained } = await collect(launched, [out, err], { ...request, timeoutMs, signal })
    return resultOf(exit, out, err, drained, { ...failed, monitorArgv: launched.argv })
  } finally {
    for (const end of ends) end.abandon()
    await (unlinked ?? Promise.allSettled(paths.map(unlinkIfThere)))
  }
}

type Ending = ExecOutcome | 'timeout' | 'abort'

async function collect(
  launched: LaunchedExec,
  captures: readonly FifoCapture[],
  { timeoutMs, drainMs = execDrainDefaultMs, signal }: ExecSyncRequest & { readonly signal: AbortSignal },
): Promise<{ exit: Ending; drained: boolean }> {
  const over = new AbortController()
  const limits: Promise<Ending>[] = [aborted(signal, over.signal)]
  if (timeoutMs !== undefined)
    limits.push(
      new Promise((resolve) =>
        whenExpired(Math.min(timeoutMs, timerMaxMs), over.signal, () => resolve('timeout')),
      ),
    )
  const exit = await Promise.race([launched.outcome, ...limits])
  over.abort()
  if (typeof exit === 'string') await launched.end(endLimitMs)
  const ended = Promise.all(captures.map((capture) => capture.ended))
  // What was killed has nothing more to say; what escaped may go on for ever.
  const [whole] = await Promise.all([within(ended, typeof exit === 'string' ? 0 : drainMs), launched.cleared])
  for (const capture of captures) capture.close()
  // The descriptors are closed in the next turn; who counts them may do so at once.
  await turn()
  return { exit, drained: whole !== undefined }
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

function resultOf(
  exit: Ending,
  out: FifoCapture,
  err: FifoCapture,
  drained: boolean,
  failed: FailedExec,
): ExecSyncResult {
  const output = { stdout: out.bytes, stderr: err.bytes }
  const truncated = out.truncated || err.truncated
  if (exit === 'abort') {
    const { containerId, operation } = failed
    const message = `the command in container ${containerId} was aborted and ended`
    throw new OciError('ERR_ABORTED', message, { containerId, operation })
  }
  if (exit === 'timeout') {
    const { stdout } = output
    return { exitCode: -1, stdout, stderr: Buffer.from(execTimedOutText), timedOut: true, truncated, drained }
  }
  const { monitorExit } = exit
  if (exit.kind === 'failed') throw notRun(exit.words, { ...failed, monitorExit }, output)
  if (exit.exit.kind === 'unknown') throw exitUnknown({ ...failed, monitorExit }, output)
  return { exitCode: exit.exit.code, ...output, timedOut: false, truncated, drained }
}
