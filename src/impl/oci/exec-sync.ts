/**
 * A command whose output is collected: started, waited for, its output read to the end or to the limits.
 *
 * All output is read even when no more of it is kept, so the command never blocks on a full pipe. After its end a bounded
 * time is given to what it left behind with its output open.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Container } from '../../container.ts'
import type { OciError } from '../../errors/index.ts'
import { abortedCommand, execStartTimeoutError } from '../../surroundings/abort.ts'
import {
  execDrainDefaultMs,
  execOutputDefaultMaxBytes,
  execTimedOutText,
  type ExecOptions,
  type ExecSyncRequest,
  type ExecSyncResult,
} from '../exec-port.ts'
import { checkExecSyncLimits } from '../requests/exec-command.ts'
import { FifoCapture, FifoEnd } from '../fifo.ts'
import { abortedWhile, whenExpired, within } from '../launcher/deadlines.ts'
import { exitUnknown, notRun, type FailedExec } from '../host/exec-errors.ts'
import { unlinkIfThere } from '../host/exec-home.ts'
import { launchExec, type ExecOutcome, type ExecWorld, type LaunchedExec } from './exec-launch.ts'
import { readPidFile } from './monitor.ts'
import { throwIfAborted } from '../host/waiting.ts'

const endLimitMs = 2000

export interface SyncHooks {
  /** The command is being launched: over, for the keeper of commands, when what comes of this is. */
  onLaunching(launching: Promise<LaunchedExec>): void
}

export async function execSync(
  world: ExecWorld,
  container: Container,
  request: ExecSyncRequest,
  options: ExecOptions,
  hooks: SyncHooks,
): Promise<ExecSyncResult> {
  checkExecSyncLimits(request)
  throwIfAborted(options.signal)
  const failed = { containerId: container.id, operation: 'execSyncContainer', argv: request.argv } as const
  const start = new StartLimit(options)
  const over = new AbortController()
  // From the call on, whether it is still being started by then or runs.
  const interruption = Promise.race([start.over, expiry(request.timeoutMs, over.signal)])
  try {
    const launching = launch(world, container, request)
    hooks.onLaunching(launching.then(({ launched }) => launched))
    const first = await Promise.race([launching, interruption])
    if (typeof first === 'string') {
      // Somebody does not answer who should start it. What comes of it later is ended then.
      const ended = launching.then(endLate).catch(() => undefined)
      if (first !== 'timeout') throw interrupted(first, container.id, options)
      await within(ended, endLimitMs)
      return timedOut({ stdout: Buffer.alloc(0), truncated: false, drained: true })
    }
    const { launched, captures } = first
    start.watch(launched)
    const { exit, drained } = await collect(launched, captures, request, interruption)
    if (exit === 'abort' || exit === 'notStarted') throw interrupted(exit, container.id, options)
    return resultOf(exit, captures, drained, { ...failed, monitorArgv: launched.argv })
  } finally {
    over.abort()
    start.release()
  }
}

type Captures = readonly [stdout: FifoCapture, stderr: FifoCapture]

interface Launched {
  readonly launched: LaunchedExec
  readonly captures: Captures
}

async function launch(world: ExecWorld, container: Container, request: ExecSyncRequest): Promise<Launched> {
  const { outputMaxBytes = execOutputDefaultMaxBytes } = request
  const paths = await world.home.takeFifos(2)
  const ends: FifoEnd[] = []
  try {
    const [stdout, stderr] = paths
    for (const path of paths) ends.push(FifoEnd.toRead(path))
    const launched = await launchExec(world, container, request, { stdout, stderr })
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
  await launched.end(endLimitMs)
  for (const capture of captures) capture.close()
}

type Interruption = 'abort' | 'notStarted'
type Limit = 'timeout' | Interruption
type Ending = ExecOutcome | Limit

async function collect(
  launched: LaunchedExec,
  captures: Captures,
  { drainMs = execDrainDefaultMs }: ExecSyncRequest,
  interruption: Promise<Limit>,
): Promise<{ exit: Ending; drained: boolean }> {
  const exit = await Promise.race([launched.outcome, interruption])
  // What does not die is not waited for: the keeper of commands has it until it is gone.
  const isGone = typeof exit !== 'string' || (await launched.end(endLimitMs))
  const ended = Promise.all(captures.map((capture) => capture.ended))
  // What was killed has nothing more to say; what escaped may go on for ever.
  const [whole] = await Promise.all([
    within(ended, typeof exit === 'string' ? 0 : drainMs),
    isGone ? launched.cleared : undefined,
  ])
  for (const capture of captures) capture.close()
  // The descriptors are closed in the next turn; who counts them may do so at once.
  await turn()
  return { exit, drained: whole !== undefined }
}

/** Never resolves without a limit. */
function expiry(timeoutMs: number | undefined, over: AbortSignal): Promise<'timeout'> {
  return new Promise((resolve) => {
    if (timeoutMs !== undefined) whenExpired(timeoutMs, over, () => resolve('timeout'))
  })
}

/** What interrupts the wait for a command: the caller's abort, and a limit until it runs. */
class StartLimit {
  readonly over: Promise<Interruption>
  readonly #released = new AbortController()
  #launched: LaunchedExec | undefined

  constructor({ signal, startTimeoutMs }: ExecOptions) {
    const released = this.#released.signal
    const { promise: expired, resolve } = Promise.withResolvers<'notStarted'>()
    const look = async (): Promise<void> => {
      // Whoever has a pid runs, and has all the time that he was given.
      const pid = this.#launched && (await readPidFile(this.#launched.files.pidFile).catch(() => undefined))
      if (pid === undefined) resolve('notStarted')
    }
    if (startTimeoutMs !== undefined) whenExpired(startTimeoutMs, released, () => void look())
    this.over = Promise.race([abortedWhile(signal, released), expired])
  }

  watch(launched: LaunchedExec): void {
    this.#launched = launched
  }

  release(): void {
    this.#released.abort()
  }
}

function interrupted(
  by: Interruption,
  containerId: string,
  { signal, startTimeoutMs = 0 }: ExecOptions,
): OciError {
  const waiter = { containerId, operation: 'execSyncContainer' } as const
  return by === 'notStarted'
    ? execStartTimeoutError(waiter, startTimeoutMs)
    : abortedCommand(waiter, signal.reason)
}

function resultOf(
  exit: ExecOutcome | 'timeout',
  [out, err]: Captures,
  drained: boolean,
  failed: FailedExec,
): ExecSyncResult {
  const output = { stdout: out.bytes, stderr: err.bytes }
  const truncated = out.truncated || err.truncated
  if (exit === 'timeout') return timedOut({ ...output, truncated, drained })
  const { monitorExit } = exit
  if (exit.kind === 'failed') throw notRun(exit.words, { ...failed, monitorExit }, output)
  if (exit.exit.kind === 'unknown') throw exitUnknown({ ...failed, monitorExit }, output)
  return { exitCode: exit.exit.code, ...output, timedOut: false, truncated, drained }
}

/** What it had written to stdout by then is all there is. */
function timedOut({
  stdout,
  truncated,
  drained,
}: Pick<ExecSyncResult, 'stdout' | 'truncated' | 'drained'>): ExecSyncResult {
  const stderr = Buffer.from(execTimedOutText)
  return { exitCode: -1, stdout, stderr, timedOut: true, truncated, drained }
}
