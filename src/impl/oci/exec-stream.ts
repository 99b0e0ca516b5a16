/** A command without a terminal: its streams are FIFOs, which it has as they are. */
import type { Writable } from 'node:stream'
import type { Container } from '../../container.ts'
import { execDrainDefaultMs, type ExecRequest } from '../exec-port.ts'
import { FifoEnd, readFifo, writeFifo, type FifoReadable } from '../fifo.ts'
import { within } from '../launcher/deadlines.ts'
import type { CarriedExec, ExecChannel, Launching } from './exec-channel.ts'
import { unlinkIfThere } from '../host/exec-home.ts'
import { launchExec, type ExecStdio, type ExecWorld, type LaunchedExec } from './exec-launch.ts'
import { readPidFile } from './monitor.ts'

const pauseMinMs = 1
const pauseMaxMs = 50

interface Ends {
  readonly stdin: FifoEnd | undefined
  readonly stdout: FifoEnd | undefined
  readonly stderr: FifoEnd | undefined
}

export async function launchWithFifos(
  world: ExecWorld,
  container: Container,
  request: ExecRequest,
  { onLaunched }: Launching,
): Promise<CarriedExec> {
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
    onLaunched(launched)
    const channel = channelOf(ends, request)
    try {
      return { launched, channel, pid: await whenRunning(launched) }
    } catch (error) {
      for (const stream of [channel.stdin, channel.stdout, channel.stderr]) stream?.destroy()
      throw error
    }
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

function channelOf(ends: Ends, request: ExecRequest): ExecChannel {
  const { drainMs = execDrainDefaultMs } = request
  const stdin = ends.stdin && writeToCommand(ends.stdin)
  const stdout = ends.stdout && readFifo(ends.stdout)
  const stderr = wanted(ends.stderr && readFifo(ends.stderr), request)
  const outputs = [stdout, stderr]
  return {
    stdin,
    stdout: stdout?.stream,
    stderr: stderr?.stream,
    resize: undefined,
    // What waits in a pipe holds up nobody's end.
    hurry: () => undefined,
    finish: () => {
      stdin?.destroy()
      for (const output of outputs) output?.endWhenQuiet(drainMs)
    },
    discard: () => {
      stdin?.destroy()
      for (const output of outputs) output?.discard()
    },
  }
}

/** Without a listener a command that does not read its stdin would end the embedder's process. */
function writeToCommand(end: FifoEnd): Writable {
  return writeFifo(end).on('error', () => undefined)
}

function wanted(stderr: FifoReadable | undefined, request: ExecRequest): FifoReadable | undefined {
  if (request.stderr !== false) return stderr
  stderr?.discard()
  return undefined
}

/** The pid of the command once it runs: the runtime writes it then. The wait ends with the monitor at the latest. */
async function whenRunning({ files, outcome }: LaunchedExec): Promise<number | undefined> {
  const ended = outcome.then(() => 'ended' as const)
  for (let pauseMs = pauseMinMs; ; pauseMs = Math.min(pauseMs * 1.5, pauseMaxMs)) {
    const pid = await readPidFile(files.pidFile)
    if (pid !== undefined) return pid
    if ((await within(ended, pauseMs)) !== undefined) break
  }
  const end = await outcome
  return end.kind === 'ended' ? end.pid : undefined
}
