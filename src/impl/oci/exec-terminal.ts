/**
 * A command with a terminal. The master side is conmon's, which passes output and input on to those who are connected to
 * a socket of its own; we are by way of the attach helper (attach-bridge/).
 *
 * Nothing of the output is missed: conmon starts the runtime on our second byte, sent when we are connected. And nothing
 * of it is dropped: this monitor serves one client, so a slow one slows the command down, as with a pipe.
 *
 * Deliberately not here: an end of input. A terminal has none, so the end of `stdin` is not told to the command; who
 * wants it to see one writes what the terminal takes for it, as a rule ^D (0x04) at the beginning of a line.
 */
import type { Writable } from 'node:stream'
import type { Container } from '../../container.ts'
import { isOciError, OciError } from '../../errors/index.ts'
import type { AttachBridge, BridgeSession, BridgeTarget } from '../attach-bridge/client.ts'
import { execDrainDefaultMs, type ExecRequest } from '../exec-port.ts'
import { FifoEnd, writeFifo } from '../fifo.ts'
import type { TerminalSize } from '../terminal-size.ts'
import type { CarriedExec, ExecChannel, Launching } from './exec-channel.ts'
import { unlinkIfThere } from '../host/exec-home.ts'
import { launchExec, type ExecWorld, type LaunchedExec } from './exec-launch.ts'
import { watchForEnd } from './exec-terminal-end.ts'
import { MonitorReports } from './monitor-reports.ts'
import { TerminalSizes } from './terminal-size.ts'
import { WishedSizes } from './wished-sizes.ts'

const endLimitMs = 2000

export async function launchWithTerminal(
  world: ExecWorld,
  container: Container,
  request: ExecRequest,
  launching: Launching,
): Promise<CarriedExec> {
  const sizes = new WishedSizes(request.resize$, (err) =>
    world.oci.logger.warn({ containerId: container.id, err }, 'the size of a terminal was not set'),
  )
  try {
    const size = sizes.latest ?? request.size
    const { launched, session, pid } = await launchAndJoin(world, container, { ...request, size }, launching)
    const over = new AbortController()
    void launched.outcome.then(() => over.abort())
    over.signal.addEventListener('abort', () => sizes.close(), { once: true })
    const channel = channelOf(launched, session, { container, request, over: over.signal })
    if (pid !== undefined && session !== undefined) {
      const { drainMs = execDrainDefaultMs } = request
      void watchForEnd({ pid, launched, session, drainMs })
      if (channel.resize !== undefined) sizes.follow(size, channel.resize)
    }
    return { launched, channel, pid }
  } catch (error) {
    sizes.close()
    throw error
  }
}

interface Joined {
  readonly launched: LaunchedExec
  readonly session: BridgeSession | undefined
  readonly pid: number | undefined
}

async function launchAndJoin(
  world: ExecWorld,
  container: Container,
  request: ExecRequest,
  { onLaunched, signal }: Launching,
): Promise<Joined> {
  const paths = await world.home.takeFifos(2)
  const ends: FifoEnd[] = []
  try {
    const [start = '', reports = ''] = paths
    const startEnd = FifoEnd.toWrite(start)
    ends.push(startEnd)
    const reportsEnd = FifoEnd.toRead(reports)
    ends.push(reportsEnd)
    const launched = await launchExec(world, container, request, {
      terminal: { size: request.size, start, reports },
    })
    onLaunched(launched)
    const starter = writeFifo(startEnd).on('error', () => undefined)
    const monitor = new MonitorReports(reportsEnd)
    try {
      const joined = await join(world.attachBridge, launched, starter, monitor, signal)
      if (joined.pid !== undefined && request.stdin === true) await knock(world.attachBridge, launched)
      return { launched, ...joined }
    } finally {
      monitor.close()
      starter.destroy()
    }
  } finally {
    for (const end of ends) end.abandon()
    await Promise.all(paths.map(unlinkIfThere))
  }
}

/**
 * Whatever goes wrong, the monitor has ended before the start pipe does: it takes that for its second byte. Every wait ends
 * with the monitor, or with `signal`.
 */
async function join(
  bridge: AttachBridge,
  launched: LaunchedExec,
  starter: Writable,
  monitor: MonitorReports,
  signal: AbortSignal,
): Promise<Omit<Joined, 'launched'>> {
  starter.write('1')
  const isReady = (await monitor.next()) !== undefined
  try {
    if (!isReady) throw new OciError('ERR_NOT_RUNNING', 'the monitor does not listen')
    const session = await bridge.open(targetOf(launched, 'whole'), signal)
    session.stderr.resume()
    starter.end('2')
    const pid = await monitor.next()
    if (pid !== undefined && pid > 1) return { session, pid }
    session.close()
    return { session: undefined, pid: undefined }
  } catch (error) {
    await launched.end(endLimitMs)
    // The monitor ended: what it left behind says why.
    if (isOciError(error) && (error.code === 'ERR_NOT_RUNNING' || error.code === 'ERR_NOT_FOUND'))
      return { session: undefined, pid: undefined }
    throw error
  }
}

function targetOf({ files }: LaunchedExec, delivery: 'live' | 'whole'): BridgeTarget {
  return { directory: files.monitorDirectory, socket: 'attach', delivery }
}

/**
 * Joins once more, for a moment. When conmon accepts a client it sets the terminal, if there is one by then, so that
 * writing to it does not block. Our first client came before the terminal; left so, conmon stops in the middle of an
 * input that is longer than the kernel holds (some 8 KiB) while the command waits for its output to be read: for ever.
 */
async function knock(bridge: AttachBridge, launched: LaunchedExec): Promise<void> {
  const over = new AbortController()
  void launched.outcome.then(() => over.abort())
  try {
    const session = await bridge.open(targetOf(launched, 'live'), over.signal)
    session.close()
  } catch (error) {
    // The command has ended already, or the helper has: who has its streams will be told.
    if (!isOciError(error)) throw error
  }
}

interface ChannelDetails {
  readonly container: Container
  readonly request: ExecRequest
  /** The command has ended. */
  readonly over: AbortSignal
}

function channelOf(
  launched: LaunchedExec,
  session: BridgeSession | undefined,
  { container, request, over }: ChannelDetails,
): ExecChannel {
  if (request.stdout === false) session?.stdout.resume()
  const controlFifo = `${launched.files.monitorDirectory}/ctl`
  const sizes = new TerminalSizes(controlFifo, container.id, over)
  return {
    stdin: request.stdin === true ? session?.stdin : undefined,
    stdout: request.stdout === false ? undefined : session?.stdout,
    stderr: undefined,
    resize: (size) => resize(sizes, size, { container, over }),
    hurry: () => session?.hurry(),
    // The session ends with the monitor, when the client has all that was written.
    finish: () => session?.stdin.destroy(),
    discard: () => session?.close(),
  }
}

async function resize(
  sizes: TerminalSizes,
  size: TerminalSize,
  { container, over }: Omit<ChannelDetails, 'request'>,
): Promise<void> {
  try {
    await sizes.set(size)
    if (!over.aborted) return
  } catch (error) {
    if (!isOciError(error) || error.code !== 'ERR_MONITOR_LOST') throw error
  }
  throw new OciError('ERR_NOT_RUNNING', 'the command has ended: there is no terminal any more', {
    containerId: container.id,
  })
}
