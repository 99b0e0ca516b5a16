/** A command whose streams are the caller's: started, handed over while it runs, its end told apart from theirs. */
import type { Writable } from 'node:stream'
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import { execDrainDefaultMs, type ExecExit, type ExecRequest, type ExecSession } from '../exec-port.ts'
import { FifoEnd, readFifo, writeFifo, type FifoReadable } from '../fifo.ts'
import { within } from '../launcher/deadlines.ts'
import { killProcess, readIdentity } from '../process-identity.ts'
import { exitUnknown, notRun } from './exec-errors.ts'
import { unlinkIfThere } from './exec-home.ts'
import { launchExec, type ExecStdio, type ExecWorld, type LaunchedExec } from './exec-launch.ts'
import { readPidFile } from './monitor.ts'
import { throwIfAborted } from './waiting.ts'

const SIGKILL = 9
const endLimitMs = 2000
const pauseMinMs = 1
const pauseMaxMs = 50

/** A session and what its keeper may do with it. */
export interface RunningExec {
  readonly session: ExecSession
  end(limitMs: number): Promise<boolean>
  /** Nobody is at our end any more: it is ended, or goes on without an audience. */
  disconnect(): Promise<void>
}

interface Ends {
  readonly stdin: FifoEnd | undefined
  readonly stdout: FifoEnd | undefined
  readonly stderr: FifoEnd | undefined
}

interface Streams {
  readonly stdin: Writable | undefined
  readonly stdout: FifoReadable | undefined
  readonly stderr: FifoReadable | undefined
}

export async function startExec(
  world: ExecWorld,
  container: Container,
  request: ExecRequest,
  signal: AbortSignal,
): Promise<RunningExec> {
  if (request.tty === true) throw noTerminal(container.id)
  throwIfAborted(signal)
  const paths = await world.home.takeFifos(3)
  let ends: Ends | undefined
  try {
    const [stdinPath, stdoutPath, stderrPath] = paths
    const stdio: ExecStdio = {
      stdin: request.stdin === true ? stdinPath : undefined,
      stdout: request.stdout === false ? undefined : stdoutPath,
      // The launcher keeps the tail of a stderr that nobody wants; then conmon's and the command's own go there.
      stderr: stderrPath,
    }
    ends = openEnds(stdio)
    const launched = await launchExec(world, container, request, stdio)
    const streams = streamsOf(ends, request)
    return await running(launched, streams, container, request, signal)
  } finally {
    for (const end of Object.values(ends ?? {})) if (end instanceof FifoEnd) end.abandon()
    await Promise.all(paths.map(unlinkIfThere))
  }
}

function openEnds({ stdin, stdout, stderr }: ExecStdio): Ends {
  const opened: FifoEnd[] = []
  const open = (path: string | undefined, how: (path: string) => FifoEnd): FifoEnd | undefined => {
    if (path === undefined) return undefined
    const end = how(path)
    opened.push(end)
    return end
  }
  try {
    return {
      stdin: open(stdin, (path) => FifoEnd.toWrite(path)),
      stdout: open(stdout, (path) => FifoEnd.toRead(path)),
      stderr: open(stderr, (path) => FifoEnd.toRead(path)),
    }
  } catch (error) {
    for (const end of opened) end.abandon()
    throw error
  }
}

function streamsOf(ends: Ends, request: ExecRequest): Streams {
  const stderr = ends.stderr && readFifo(ends.stderr)
  if (request.stderr === false) stderr?.discard()
  return {
    stdin: ends.stdin && writeFifo(ends.stdin),
    stdout: ends.stdout && readFifo(ends.stdout),
    stderr: request.stderr === false ? undefined : stderr,
  }
}

async function running(
  launched: LaunchedExec,
  streams: Streams,
  container: Container,
  request: ExecRequest,
  signal: AbortSignal,
): Promise<RunningExec> {
  const { stdin, stdout, stderr } = streams
  // Without a listener a command that does not read its stdin would end the embedder's process.
  stdin?.on('error', () => undefined)
  try {
    const pid = await whenRunning(launched, container, request)
    const exec = sessionOf(launched, streams, { pid, container, request })
    const onAbort = (): void => void exec.disconnect()
    signal.addEventListener('abort', onAbort, { once: true })
    void exec.session.exited.then(() => signal.removeEventListener('abort', onAbort))
    if (signal.aborted) onAbort()
    return exec
  } catch (error) {
    stdin?.destroy()
    stdout?.stream.destroy()
    stderr?.stream.destroy()
    throw error
  }
}

/** The pid of the command once it runs: the runtime writes it then. */
async function whenRunning(
  { files, outcome, argv: monitorArgv }: LaunchedExec,
  { id: containerId }: Container,
  { argv }: ExecRequest,
): Promise<number> {
  const failed = { containerId, operation: 'startExec', argv, monitorArgv } as const
  const ended = outcome.then(() => 'ended' as const)
  for (let pauseMs = pauseMinMs; ; pauseMs = Math.min(pauseMs * 1.5, pauseMaxMs)) {
    const pid = await readPidFile(files.pidFile)
    if (pid !== undefined) return pid
    if ((await within(ended, pauseMs)) !== undefined) break
  }
  const end = await outcome
  if (end.kind === 'failed') throw notRun(end.words, failed)
  if (end.pid === undefined) throw exitUnknown(failed)
  return end.pid
}

interface SessionDetails {
  readonly pid: number
  readonly container: Container
  readonly request: ExecRequest
}

function sessionOf(
  launched: LaunchedExec,
  { stdin, stdout, stderr }: Streams,
  { pid, container, request }: SessionDetails,
): RunningExec {
  const { drainMs = execDrainDefaultMs, onDisconnect = 'kill' } = request
  let over = false
  // Read now: later the pid may be somebody else's.
  const identity = readIdentity(pid).catch(() => undefined)
  const exited = launched.outcome.then((outcome): ExecExit => {
    over = true
    stdin?.destroy()
    for (const output of [stdout, stderr]) output?.endWhenQuiet(drainMs)
    return outcome.kind === 'ended' ? outcome.exit : { kind: 'unknown', why: 'monitor-lost' }
  })
  const end = (limitMs: number): Promise<boolean> => (over ? Promise.resolve(true) : launched.end(limitMs))
  const session: ExecSession = {
    id: launched.id,
    containerId: container.id,
    argv: request.argv,
    pid,
    stdin,
    stdout: stdout?.stream,
    stderr: stderr?.stream,
    exited,
    kill: async (signal) => {
      const process = await identity
      if (over || process === undefined) return false
      if (signal === SIGKILL) return end(endLimitMs)
      return killProcess(process, signal)
    },
    resize: () => Promise.reject(noTerminal(container.id)),
  }
  const disconnect = async (): Promise<void> => {
    if (onDisconnect === 'kill') await end(endLimitMs)
    stdin?.destroy()
    for (const output of [stdout, stderr]) output?.discard()
  }
  return { session, end, disconnect }
}

function noTerminal(containerId: string): OciError {
  return new OciError('ERR_UNSUPPORTED', 'the command has no terminal', {
    containerId,
    operation: 'startExec',
    field: 'tty',
  })
}
