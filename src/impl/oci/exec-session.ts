/** A command whose streams are the caller's: started, handed over while it runs, its end told apart from theirs. */
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import { abortedCommand } from '../../surroundings/abort.ts'
import type { ExecExit, ExecRequest, ExecSession } from '../exec-port.ts'
import { killProcess, readIdentity } from '../process-identity.ts'
import type { CarriedExec } from './exec-channel.ts'
import { exitUnknown, notRun } from '../host/exec-errors.ts'
import type { ExecWorld, LaunchedExec, LaunchHooks } from './exec-launch.ts'
import { checkExecRequest } from '../requests/exec-command.ts'
import { launchWithFifos } from './exec-stream.ts'
import { launchWithTerminal } from './exec-terminal.ts'
import { throwIfAborted } from '../host/waiting.ts'

const SIGKILL = 9
/** It has been killed. Longer than this, and its monitor does not report: that is killed as well, and the exit unknown. */
const endLimitMs = 10_000

/** A session and what its keeper may do with it. */
export interface RunningExec {
  readonly session: ExecSession
  end(limitMs: number): Promise<boolean>
  /** Nobody is at our end any more: it is ended, or goes on without an audience. */
  disconnect(): Promise<void>
}

export async function startExec(
  world: ExecWorld,
  container: Container,
  request: ExecRequest,
  signal: AbortSignal,
  hooks: LaunchHooks,
): Promise<RunningExec> {
  checkExecRequest(request)
  throwIfAborted(signal)
  const launch = request.tty === true ? launchWithTerminal : launchWithFifos
  // Every wait until the command runs ends with its monitor; so its end is all that an abort needs.
  let release: (() => void) | undefined
  const onLaunched = (launched: LaunchedExec): void => {
    hooks.onLaunched(launched)
    release = onceAborted(signal, () => void launched.end(endLimitMs))
  }
  let carried: CarriedExec
  try {
    carried = await launch(world, container, request, { onLaunched, signal })
  } finally {
    release?.()
  }
  const { pid } = carried
  if (pid === undefined || signal.aborted) throw await neverRan(carried, container, request, signal)
  const exec = runningExec(carried, { pid, container, request })
  void exec.session.exited.then(onceAborted(signal, () => void exec.disconnect()))
  return exec
}

/** Returns what takes the listener away. */
function onceAborted(signal: AbortSignal, act: () => void): () => void {
  signal.addEventListener('abort', act, { once: true })
  if (signal.aborted) act()
  return () => signal.removeEventListener('abort', act)
}

async function neverRan(
  { launched: { outcome, cleared, argv: monitorArgv }, channel }: CarriedExec,
  { id: containerId }: Container,
  { argv }: ExecRequest,
  signal: AbortSignal,
): Promise<OciError> {
  for (const stream of [channel.stdin, channel.stdout, channel.stderr]) stream?.destroy()
  const end = await outcome
  const { monitorExit } = end
  const failed = { containerId, operation: 'startExec', argv, monitorArgv, monitorExit } as const
  await cleared
  if (signal.aborted) return abortedCommand({ containerId, operation: 'startExec' }, signal.reason)
  return end.kind === 'failed' ? notRun(end.words, failed) : exitUnknown(failed)
}

interface SessionDetails {
  readonly pid: number
  readonly container: Container
  readonly request: ExecRequest
}

function runningExec(
  { launched, channel }: CarriedExec,
  { pid, container, request }: SessionDetails,
): RunningExec {
  const { stdin, stdout, stderr, resize } = channel
  let over = false
  // Read now: later the pid may be somebody else's.
  const identity = readIdentity(pid).catch(() => undefined)
  const exited = launched.outcome.then(async (outcome): Promise<ExecExit> => {
    over = true
    channel.finish()
    await launched.cleared
    return outcome.kind === 'ended' ? outcome.exit : { kind: 'unknown', why: 'monitor-lost' }
  })
  const end = (limitMs: number): Promise<boolean> => {
    channel.hurry()
    return over ? Promise.resolve(true) : launched.end(limitMs)
  }
  const session: ExecSession = {
    id: launched.id,
    containerId: container.id,
    argv: request.argv,
    pid,
    stdin,
    stdout,
    stderr,
    exited,
    kill: async (signal) => {
      const process = await identity
      if (over || process === undefined) return false
      if (signal === SIGKILL) return end(endLimitMs)
      return killProcess(process, signal)
    },
    resize: (size) => (resize === undefined ? Promise.reject(noTerminal(container.id)) : resize(size)),
  }
  const disconnect = async (): Promise<void> => {
    if (request.onDisconnect !== 'leave') await end(endLimitMs)
    channel.discard()
  }
  return { session, end, disconnect }
}

function noTerminal(containerId: string): OciError {
  return new OciError('ERR_UNSUPPORTED', 'the command has no terminal', {
    containerId,
    field: 'tty',
  })
}
