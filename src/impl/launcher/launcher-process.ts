/**
 * The supervisor's end of one launcher process: started, spoken to, and its death noticed.
 *
 * Deliberately not here: requests and what becomes of them when it dies, and starting another one.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { stderrTailMaxBytes } from '../../errors/index.ts'
import { helperEnvironment } from '../own-program.ts'
import { readIdentitySync } from '../process-identity.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { TailBytes } from './bounded-output.ts'
import { whenExpired, within } from './deadlines.ts'
import { endLauncher } from './end-launcher.ts'
import { type Answer, lifelineFd, type Request, parseReply, protocolVersion } from './protocol.ts'

/** As much of pino as is needed. */
export interface LauncherLogger {
  debug(details: object, message: string): void
  warn(details: object, message: string): void
}

export interface LauncherProcessOptions {
  readonly nodePath: string
  readonly launcherPath: string
  readonly nofileSoft: number
  /** A descriptor of ours that the launcher shall hold open, and hand to nobody. */
  readonly heldFd: number | undefined
  readonly logger: LauncherLogger
  readonly onReply: (reply: Answer) => void
  /** Whether an answer of the launcher's is awaited. */
  readonly isAwaited: () => boolean
  /** Awaited before the launcher is asked for anything; it must not reject. */
  readonly onStarted?: ((launcher: ProcessIdentity) => Promise<void>) | undefined
  /** How often one that is awaited is asked whether it is there. Default 5 s. */
  readonly pingIntervalMs?: number | undefined
}

export interface LauncherProcess {
  readonly pid: number
  send(request: Request): void
  /** While held it keeps the embedder's process alive; at rest it does not. */
  hold(busy: boolean): void
  /** For one that no longer answers: see {@link endLauncher}. Settles when it has been killed; never rejects. */
  end(): Promise<void>
  /** Has it finish what it has begun and end. */
  disconnect(): void
  /** Resolves with the reason once nothing more will be heard of it. */
  readonly ended: Promise<string>
  readonly exited: Promise<unknown>
}

/** A host that is overloaded, or emulated, takes longer than ten seconds to start a Node. */
const startTimeoutMs = 30_000
/** Between the end of the channel and that of the process; either may be seen first. */
const endGraceMs = 500
/** One that has left so many pings in a row unanswered, half a minute, is stopped or hangs. */
const silentPingsMax = 6
const pingDefaultMs = 5000

/** Rejects with an Error that says why the launcher did not start. */
export async function startLauncherProcess(options: LauncherProcessOptions): Promise<LauncherProcess> {
  const { logger } = options
  const child = spawnLauncher(options)
  const stderr = new TailBytes(stderrTailMaxBytes)
  const exited = exitOf(child)
  const ended = endOf(child, exited).then((how) => {
    const stderrTail = stderr.toString().trim()
    logger.debug({ launcherPid: child.pid, stderrTail }, `the launcher ended: ${how}`)
    return stderrTail === '' ? how : `${how}: ${stderrTail}`
  })
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk)).on('error', () => undefined)
  const lifeline = lifelineOf(child)?.on('error', () => undefined)

  const identity = child.pid === undefined ? undefined : readIdentitySync(child.pid)
  const end = () => endOrKill(child, identity, logger)
  const started = new AbortController()
  const overdue = new Promise<string>((resolve) =>
    whenExpired(startTimeoutMs, started.signal, () => resolve(`no hello within ${startTimeoutMs} ms`)),
  )
  const pings = watchForSilence(child, options, end)
  const reason = await Promise.race([greeting(child, options, { end, pings }), ended, overdue])
  started.abort()
  if (reason !== undefined) {
    pings.stop()
    child.kill('SIGKILL')
    throw new Error(reason)
  }
  if (identity !== undefined) await options.onStarted?.(identity)
  child.unref()
  child.channel?.unref()
  for (const stream of [child.stderr, lifeline]) if (stream instanceof Socket) stream.unref()
  void ended.finally(() => {
    pings.stop()
    lifeline?.destroy()
  })
  return {
    pid: child.pid ?? 0,
    ended,
    // A failure to send is the end of the channel, which `ended` tells.
    send: (request) => {
      child.send(request, () => undefined)
    },
    hold: (busy) => {
      if (busy) child.channel?.ref()
      else child.channel?.unref()
    },
    end,
    disconnect: () => {
      lifeline?.destroy()
      if (child.connected) child.disconnect()
    },
    exited,
  }
}

function lifelineOf(child: ChildProcess): Socket | undefined {
  const lifeline = child.stdio[lifelineFd]
  return lifeline instanceof Socket ? lifeline : undefined
}

async function endOrKill(
  child: ChildProcess,
  identity: ProcessIdentity | undefined,
  logger: LauncherLogger,
): Promise<void> {
  try {
    if (identity === undefined) child.kill('SIGKILL')
    else await endLauncher(identity)
  } catch (error) {
    logger.warn(
      { launcherPid: child.pid, err: error },
      'the launcher is killed, but not what it had not started',
    )
    child.kill('SIGKILL')
  }
}

interface Pings {
  answered(): void
  stop(): void
}

/**
 * Counts pings and not time: when this process was held up, or the whole host was, a launcher is not to be accused of it.
 * The count is looked at after what has arrived by then.
 */
function watchForSilence(
  child: ChildProcess,
  { isAwaited, logger, pingIntervalMs = pingDefaultMs }: LauncherProcessOptions,
  end: () => Promise<void>,
): Pings {
  let unanswered = 0
  const ask = () => {
    if (unanswered >= silentPingsMax) {
      clearInterval(timer)
      logger.warn({ launcherPid: child.pid }, 'the launcher does not answer and is replaced')
      void end()
    } else if (unanswered > 0 || isAwaited()) {
      unanswered += 1
      child.send({ type: 'ping', id: unanswered } satisfies Request, () => undefined)
    }
  }
  const timer = setInterval(() => setImmediate(ask), pingIntervalMs).unref()
  return {
    answered: () => {
      unanswered = 0
    },
    stop: () => clearInterval(timer),
  }
}

function spawnLauncher({ nodePath, launcherPath, nofileSoft, heldFd }: LauncherProcessOptions): ChildProcess {
  return spawn(nodePath, [launcherPath, String(nofileSoft)], {
    // Its own session: a Ctrl-C in the embedder's terminal is not for it.
    detached: true,
    cwd: '/',
    // NODE_OPTIONS and secrets stay out. Node hands NODE_V8_COVERAGE down unless the key is there.
    env: { ...helperEnvironment(), NODE_V8_COVERAGE: undefined },
    // Node closes what it inherited below 16 when it executes something else, so the held one ends with the launcher.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc', 'pipe', ...(heldFd === undefined ? [] : [heldFd])],
    serialization: 'json',
  })
}

/** Resolves with undefined when the launcher has said hello, or with what is wrong with its hello. */
function greeting(
  child: ChildProcess,
  { logger, onReply }: LauncherProcessOptions,
  { end, pings }: { readonly end: () => Promise<void>; readonly pings: Pings },
): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.on('message', (message) => {
      const reply = parseReply(message)
      if (reply === undefined) {
        logger.warn({ launcherPid: child.pid }, 'the launcher sent what is no reply and is killed')
        void end()
        resolve('it sent what is no reply')
        return
      }
      pings.answered()
      if (reply.type === 'pong') return
      if (reply.type !== 'hello') {
        onReply(reply)
        return
      }
      for (const note of reply.notes) logger.warn({ launcherPid: child.pid }, note)
      resolve(
        reply.protocol === protocolVersion
          ? undefined
          : `it speaks version ${reply.protocol}, this release version ${protocolVersion}: launcherPath must point into the same release`,
      )
    })
  })
}

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) =>
      resolve(signal === null ? `exit code ${code}` : `killed by ${signal}`),
    )
    // It may come more than once: for the spawn, a kill, a message.
    child.on('error', (error) => {
      if (child.pid === undefined) resolve(error.message)
    })
  })
}

/** Waits for the channel to end as well as for the process: replies may still be under way when it exits. */
async function endOf(child: ChildProcess, exited: Promise<string>): Promise<string> {
  const disconnected = new Promise<void>((resolve) => child.once('disconnect', resolve))
  await Promise.race([exited, disconnected])
  const [how] = await Promise.all([within(exited, endGraceMs), within(disconnected, endGraceMs)])
  return how ?? 'it closed its channel'
}
