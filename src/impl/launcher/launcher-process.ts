/**
 * The supervisor's end of one launcher process: started, spoken to, and its death noticed.
 *
 * Deliberately not here: requests and what becomes of them when it dies, and starting another one.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { stderrTailMaxBytes } from '../../errors/index.ts'
import { helperEnvironment } from '../own-program.ts'
import { TailBytes } from './bounded-output.ts'
import { whenExpired, within } from './deadlines.ts'
import { type Reply, type Request, parseReply, protocolVersion } from './protocol.ts'

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
  readonly onReply: (reply: Reply, sync: Socket | undefined) => void
}

export interface LauncherProcess {
  readonly pid: number
  send(request: Request): void
  /** While held it keeps the embedder's process alive; at rest it does not. */
  hold(busy: boolean): void
  /** SIGKILL, for a launcher that no longer answers. */
  kill(): void
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

  const started = new AbortController()
  const overdue = new Promise<string>((resolve) =>
    whenExpired(startTimeoutMs, started.signal, () => resolve(`no hello within ${startTimeoutMs} ms`)),
  )
  const reason = await Promise.race([greeting(child, options), ended, overdue])
  started.abort()
  if (reason !== undefined) {
    child.kill('SIGKILL')
    throw new Error(reason)
  }
  child.unref()
  child.channel?.unref()
  if (child.stderr instanceof Socket) child.stderr.unref()
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
    kill: () => {
      child.kill('SIGKILL')
    },
    disconnect: () => {
      if (child.connected) child.disconnect()
    },
    exited,
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
    stdio: ['ignore', 'ignore', 'pipe', 'ipc', ...(heldFd === undefined ? [] : [heldFd])],
    serialization: 'json',
  })
}

/** Resolves with undefined when the launcher has said hello, or with what is wrong with its hello. */
function greeting(
  child: ChildProcess,
  { logger, onReply }: LauncherProcessOptions,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.on('message', (message, handle) => {
      const reply = parseReply(message)
      const sync = handle instanceof Socket ? handle : undefined
      if (reply === undefined) {
        sync?.destroy()
        logger.warn({ launcherPid: child.pid }, 'the launcher sent what is no reply and is killed')
        child.kill('SIGKILL')
        resolve('it sent what is no reply')
        return
      }
      if (reply.type !== 'hello') {
        onReply(reply, sync)
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
