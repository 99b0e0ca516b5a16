/**
 * The supervisor's side of the attach helper: one process for all attached clients, started when somebody attaches, ended
 * when nobody has been attached for a while, and started anew by the next attach after it died.
 */
import { Socket } from 'node:net'
import { resolve as resolvePath } from 'node:path'
import { OciError, type FailedCommand } from '../../errors/index.ts'
import type { Logger } from '../../surroundings/logger.ts'
import { failedCommand } from '../host/failed-command.ts'
import { openStreamSocket } from '../host/stream-socket.ts'
import { untilAborted } from '../host/waiting.ts'
import { within } from '../launcher/deadlines.ts'
import type { AttendedChild, Launcher } from '../launcher/launcher.ts'
import { helperEnvironment, nodeProgram, ownProgram } from '../own-program.ts'
import { encodeFrame, FrameReader } from './frames.ts'
import { encodeJson, request, unsupportedExitCode } from './protocol.ts'
import { type BridgeEnd, type BridgeSession, Session } from './session.ts'

export type { BridgeSession } from './session.ts'

export interface AttachBridge {
  /**
   * A session with the monitor that listens on `<directory>/<socket>`; the path may be of any length.
   *
   * Rejects with ERR_NOT_FOUND (no such socket), ERR_NOT_RUNNING (nobody accepts on it), ERR_LAUNCHER_LOST (the helper
   * does not start, or died meanwhile), ERR_BUSY, ERR_ABORTED, ERR_CLOSED.
   */
  open(target: BridgeTarget, signal?: AbortSignal): Promise<BridgeSession>
  /** Of the helper that is running now. */
  readonly pid: number | undefined
  /** Ends all sessions (`closed`) and the helper. */
  close(): Promise<void>
}

export interface BridgeTarget {
  readonly directory: string
  readonly socket: string
  /** How much output may wait in the helper before the client is dropped. Default {@link bufferDefaultMaxBytes}. */
  readonly bufferMaxBytes?: number | undefined
  /**
   * `live` (default): a client that is too slow is dropped, so that it cannot hold up what others depend on. `whole`: the
   * monitor is held up instead, and streams that are cut short all the same end with an error.
   */
  readonly delivery?: 'live' | 'whole' | undefined
}

export interface AttachBridgeOptions {
  readonly launcher: Pick<Launcher, 'attend'>
  readonly logger: Logger
  /** Where the helper meets us; made (0700) if it is missing. */
  readonly directory: string
  /** The Node that runs the helper. Default: the one that runs us. */
  readonly nodePath?: string | undefined
  /** The helper's program, for those who bundle this package into one file. */
  readonly bridgePath?: string | undefined
  /** How long a helper without sessions stays. Default 30 s. */
  readonly idleMs?: number | undefined
  /** How long a helper may take to open a session before it is replaced. Default 30 s. */
  readonly openTimeoutMs?: number | undefined
}

export const bufferDefaultMaxBytes = 4 * 1024 * 1024
/** Enough to keep the line busy; what is more waits where it comes from. */
const wholeBufferMaxBytes = 256 * 1024

const sessionsMax = 1024
/** A host that is overloaded, or emulated, takes longer than ten seconds to start a Node. */
const startTimeoutMs = 30_000
/** A helper that answers nobody in this time is stopped or hangs. */
const openTimeoutDefaultMs = 30_000

/** Starts nothing yet. */
export function openAttachBridge(options: AttachBridgeOptions): AttachBridge {
  return new HelperBridge(options)
}

/** One helper process and the sessions it carries. */
interface Helper {
  readonly child: AttendedChild
  readonly line: Socket
  readonly sessions: Map<number, Session>
  /** Sessions for which the embedder's process goes on. */
  holds: number
}

class HelperBridge implements AttachBridge {
  readonly #options: AttachBridgeOptions
  readonly #closing = new AbortController()
  #helper: Promise<Helper> | undefined
  #current: Helper | undefined
  #idle: NodeJS.Timeout | undefined
  #lastSession = 0
  #opening = 0

  constructor(options: AttachBridgeOptions) {
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#current?.child.pid
  }

  async open(target: BridgeTarget, signal?: AbortSignal): Promise<BridgeSession> {
    clearTimeout(this.#idle)
    this.#opening += 1
    try {
      throwIfOver(this.#closing.signal, signal)
      // Whoever gives up does so at once, whatever the launcher and the helper do.
      const acquired = this.#acquire()
      const helper = await (signal === undefined ? acquired : untilAborted(acquired, signal))
      throwIfOver(this.#closing.signal, signal)
      return await this.#openIn(helper, target, signal)
    } finally {
      this.#opening -= 1
      this.#restIfIdle()
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#idle)
    // One that is being started is left as soon as it stands.
    this.#leave()
  }

  /** The running helper, or a new one. One that could not be started is tried again by the next who asks. */
  #acquire(): Promise<Helper> {
    this.#helper ??= this.#start().catch((error: unknown) => {
      this.#helper = undefined
      throw error
    })
    return this.#helper
  }

  async #start(): Promise<Helper> {
    const { launcher, directory, nodePath, bridgePath } = this.#options
    const program = bridgePath === undefined ? defaultBridge() : resolvePath(bridgePath)
    const meeting = await openStreamSocket(directory)
    try {
      const argv = [nodeProgram(nodePath), program, meeting.name] as const
      const env = helperEnvironment()
      const attending = launcher.attend({ argv, env, cwd: meeting.directory, stdio: {} })
      const child = await untilAborted(attending, this.#closing.signal).catch((error: unknown) => {
        throwIfOver(this.#closing.signal, undefined)
        throw error
      })
      if ('errno' in child)
        throw lost(`${child.path} cannot be executed: ${child.errno}`, failedCommand(argv))
      const first = await within(Promise.race([meeting.connection, child.ended]), startTimeoutMs)
      if (first instanceof Socket && !this.#closing.signal.aborted) return this.#follow(child, first)
      child.kill()
      if (first instanceof Socket) first.destroy()
      throwIfOver(this.#closing.signal, undefined)
      throw notUsable(argv, first instanceof Socket ? undefined : first)
    } finally {
      await meeting.close()
    }
  }

  #follow(child: AttendedChild, line: Socket): Helper {
    const { pid } = child
    const helper: Helper = { child, line, sessions: new Map(), holds: 0 }
    this.#current = helper
    line.unref()
    const reader = new FrameReader()
    line.on('data', (chunk: Buffer) => {
      try {
        for (const frame of reader.push(chunk)) helper.sessions.get(frame.session)?.take(frame)
      } catch (error) {
        this.#options.logger.warn(
          { helperPid: pid, err: error },
          'the attach helper is left: it talks nonsense',
        )
        line.destroy()
      }
    })
    // It is at both ends of the line, or at none.
    line.once('end', () => line.destroy())
    line.once('close', () => this.#gone(helper))
    return helper
  }

  async #openIn(helper: Helper, target: BridgeTarget, signal?: AbortSignal): Promise<BridgeSession> {
    if (helper.sessions.size >= sessionsMax) {
      throw new OciError('ERR_BUSY', `no more than ${sessionsMax} clients can be attached at once`)
    }
    const number = this.#nextNumber(helper)
    const { line } = helper
    const send = (type: number, payload?: Buffer) => {
      if (!line.destroyed) line.write(encodeFrame(number, type, payload))
    }
    const whole = target.delivery === 'whole'
    const session = new Session(send, whole)
    helper.sessions.set(number, session)
    // Who reads the whole of it waits for it, as with a pipe; an attached client is waited for by who asks for its end.
    if (whole) this.#hold(helper, 1)
    void this.#forget(helper, number, session, whole)
    const abort = () => session.close()
    signal?.addEventListener('abort', abort, { once: true })
    const defaultMaxBytes = whole ? wholeBufferMaxBytes : bufferDefaultMaxBytes
    const { directory, socket, bufferMaxBytes = defaultMaxBytes } = target
    send(request.open, encodeJson({ directory, socket, bufferMaxBytes, whole }))
    const opened = Promise.race([
      session.opened.then(
        () => 'opened' as const,
        () => session.ended,
      ),
      session.ended,
    ])
    const end = await within(opened, this.#options.openTimeoutMs ?? openTimeoutDefaultMs)
    signal?.removeEventListener('abort', abort)
    if (end === undefined) {
      this.#options.logger.warn({ helperPid: this.pid }, 'the attach helper does not answer and is replaced')
      this.#abandon(helper)
      throw lost('it does not answer')
    }
    if (end !== 'opened' && session.isOver) throw openingError(end, target, signal)
    return session
  }

  async #forget(helper: Helper, number: number, session: Session, whole: boolean): Promise<void> {
    await session.ended
    helper.sessions.delete(number)
    if (whole) this.#hold(helper, -1)
    this.#restIfIdle()
  }

  #hold(helper: Helper, change: 1 | -1): void {
    helper.holds += change
    if (helper.holds > 0) helper.line.ref()
    else helper.line.unref()
  }

  /** A number is free again only when nothing of its old session can be under way any more. */
  #nextNumber({ sessions }: Helper): number {
    do this.#lastSession = (this.#lastSession % 0xffff_ffff) + 1
    while (sessions.has(this.#lastSession))
    return this.#lastSession
  }

  #gone(helper: Helper): void {
    if (this.#current === helper) {
      this.#current = undefined
      this.#helper = undefined
    }
    const isClosing = this.#closing.signal.aborted
    if (helper.sessions.size > 0 && !isClosing) {
      this.#options.logger.warn(
        { helperPid: helper.child.pid, sessions: helper.sessions.size },
        'the attach helper died: clients are detached',
      )
    }
    const end: BridgeEnd = isClosing
      ? { reason: 'closed', message: 'attaching was closed' }
      : { reason: 'lost', message: 'the attach helper died' }
    for (const session of helper.sessions.values()) session.finish(end)
  }

  #restIfIdle(): void {
    clearTimeout(this.#idle)
    if (this.#opening > 0 || (this.#current?.sessions.size ?? 1) > 0) return
    this.#idle = setTimeout(() => this.#leave(), this.#options.idleMs ?? 30_000)
    this.#idle.unref()
  }

  #leave(): void {
    if (this.#current !== undefined) this.#abandon(this.#current)
  }

  /** The helper ends when its line does; one that is stopped does not notice. */
  #abandon(helper: Helper): void {
    helper.line.destroy()
    helper.child.kill()
    this.#gone(helper)
  }
}

function throwIfOver(closing: AbortSignal, signal: AbortSignal | undefined): void {
  if (closing.aborted) throw new OciError('ERR_CLOSED', 'attaching is closed')
  if (signal?.aborted === true) throw aborted(signal)
}

function openingError(
  { reason, message }: BridgeEnd,
  { directory, socket }: BridgeTarget,
  signal: AbortSignal | undefined,
): OciError {
  const file = `${directory}/${socket}`
  if (reason === 'absent')
    return new OciError('ERR_NOT_FOUND', `there is no attach socket at ${file}`, { file })
  if (reason === 'lost') return lost(message)
  if (reason !== 'closed')
    return new OciError('ERR_NOT_RUNNING', `nobody accepts a connection at ${file}: ${message}`, { file })
  if (signal?.aborted === true) return aborted(signal)
  return new OciError('ERR_CLOSED', message)
}

function aborted(signal: AbortSignal): OciError {
  return new OciError('ERR_ABORTED', 'attaching was aborted', { cause: signal.reason })
}

function lost(why: string, command?: FailedCommand): OciError {
  const message = `the helper process for attaching cannot be used: ${why}`
  return new OciError('ERR_LAUNCHER_LOST', message, { command })
}

function notUsable(argv: readonly string[], end: Awaited<AttendedChild['ended']> | undefined): OciError {
  if (end === undefined) return lost(`it did not come within ${startTimeoutMs} ms`, failedCommand(argv))
  if ('lost' in end) return lost(end.lost, failedCommand(argv))
  const command = failedCommand(argv, end)
  const words = end.stderrTail.trim()
  // How the helper itself says that it cannot work here: no build of the library it needs.
  if (end.exitCode === unsupportedExitCode)
    return new OciError('ERR_UNSUPPORTED', `attaching does not work on this host: ${words}`, { command })
  return lost(`it did not start: ${words || `exit code ${end.exitCode}`}`, command)
}

function defaultBridge(): string {
  return ownProgram(import.meta.url, { folder: 'attach-bridge', field: 'attachBridgePath' })
}
