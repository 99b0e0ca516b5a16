/**
 * The commands in one container whose caller holds their streams: which there are, and what is published of them.
 *
 * The law: exec started ≺ exec exited ≺ the container's exit, each exactly once. What does not end in time is given up:
 * it is said to have ended unknown, and whatever is heard of it later is not told.
 *
 * The wait for a start has a limit, whatever the implementation waits for. A command whose start is given up is listed
 * until the implementation has ended what was begun of it, and nothing is published of it.
 */
import type { Container, ExecInfo } from '../container.ts'
import { OciError } from '../errors/index.ts'
import { abortedCommand, execStartTimeoutError, withLimit } from '../surroundings/abort.ts'
import type { ExecExit, ExecPort, ExecRequest, ExecSession } from '../impl/exec-port.ts'
import { timestampOf, type Clock } from '../surroundings/clock.ts'
import type { ExecChange } from './actor-world.ts'

const SIGKILL = 9

export interface ContainerExecsOptions {
  readonly container: Container
  readonly execs: ExecPort | undefined
  readonly clock: Clock
  readonly startTimeoutMs: number
  readonly publish: (event: ExecChange) => void
}

/** A session, and how it ended: also when it was given up. */
export interface StartedExec {
  readonly session: ExecSession
  readonly exited: Promise<ExecExit>
}

/** A command in the list, and what becomes of it. */
interface Listed {
  info: ExecInfo
  /** Once it runs. */
  end?: (exit: ExecExit) => void
}

export class ContainerExecs {
  readonly #options: ContainerExecsOptions
  readonly #listed = new Set<Listed>()
  #isOver = false

  constructor(options: ContainerExecsOptions) {
    this.#options = options
  }

  /** Those that run or are being started, the oldest first. */
  get list(): readonly ExecInfo[] {
    return [...this.#listed].map(({ info }) => info)
  }

  /**
   * Resolves once it runs, and that is published. ERR_TIMEOUT when it does not within the limit. When `aborted` is, what was
   * begun is ended unless it is to be left; this rejects only then, so callers race it with the same signal.
   */
  async start(execs: ExecPort, request: ExecRequest, aborted: AbortSignal): Promise<StartedExec> {
    const { container, clock, startTimeoutMs: limitMs } = this.#options
    const waiter = { containerId: container.id, operation: 'startExec' } as const
    if (aborted.aborted) throw abortedCommand(waiter, aborted.reason)
    const timedOut = (): OciError => execStartTimeoutError(waiter, limitMs)
    return withLimit({ clock, limitMs, timedOut }, (expired) =>
      this.#begin(execs, request, { aborted, expired }),
    )
  }

  /**
   * Ends all, those of `execSync` included. False when some had to be given up after `limitMs`. Throws what the
   * implementation throws; all are given up then.
   */
  async end(limitMs: number): Promise<boolean> {
    const { container, execs } = this.#options
    try {
      return (await execs?.endAll(container.id, limitMs)) ?? true
    } finally {
      this.#isOver = true
      for (const { end } of this.#listed) end?.({ kind: 'unknown', why: 'given-up' })
      this.#listed.clear()
    }
  }

  async #begin(execs: ExecPort, request: ExecRequest, { aborted, expired }: Signals): Promise<StartedExec> {
    const listed: Listed = { info: this.#startingInfo(request) }
    this.#listed.add(listed)
    const stop = new AbortController()
    const giveUp = (): void => {
      if (listed.info.phase === 'starting') listed.info = Object.freeze({ ...listed.info, phase: 'ending' })
      stop.abort()
    }
    // One that is to be left is started for nobody; once it runs the implementation lets go of it.
    const onAbort = (): void => {
      if (listed.info.phase === 'running' || request.onDisconnect !== 'leave') giveUp()
    }
    aborted.addEventListener('abort', onAbort, { once: true })
    expired.addEventListener('abort', giveUp, { once: true })
    const forget = (): void => {
      // One that ran leaves the list when its end is published.
      if (listed.end === undefined) this.#listed.delete(listed)
      aborted.removeEventListener('abort', onAbort)
    }
    const starting = this.#ask(execs, request, stop.signal)
    // Listed until it is gone, whoever waits for it.
    starting.then(({ exited }) => exited).then(forget, forget)
    const session = await starting
    if (this.#isOver || stop.signal.aborted) {
      // Its caller has been told otherwise, or its container's exit has been told: nothing may start after that.
      void session.kill(SIGKILL).catch(() => undefined)
      throw endedMeanwhile(this.#options.container.id)
    }
    const started = this.#follow(listed, session)
    if (aborted.aborted) onAbort()
    return started
  }

  /** What an implementation throws at once is a start that failed like any other. */
  async #ask(execs: ExecPort, request: ExecRequest, signal: AbortSignal): Promise<ExecSession> {
    return execs.startExec(this.#options.container, request, { signal })
  }

  #startingInfo({ argv, tty = false }: ExecRequest): ExecInfo {
    const started = timestampOf(this.#options.clock)
    return Object.freeze({
      phase: 'starting',
      id: undefined,
      pid: undefined,
      argv: Object.freeze([...argv]),
      tty,
      started,
    })
  }

  #follow(listed: Listed, session: ExecSession): StartedExec {
    const { clock, publish } = this.#options
    const { argv, tty } = listed.info
    const { id, pid } = session
    listed.info = Object.freeze({ phase: 'running', id, pid, argv, tty, started: timestampOf(clock) })
    const { promise: exited, resolve } = Promise.withResolvers<ExecExit>()
    listed.end = (exit) => {
      if (!this.#listed.delete(listed)) return
      publish({ type: 'execExited', execId: id, exit })
      resolve(exit)
    }
    publish({ type: 'execStarted', execId: id, pid })
    void session.exited.then(listed.end)
    return { session, exited }
  }
}

interface Signals {
  /** Of the caller. */
  readonly aborted: AbortSignal
  /** Of the limit. */
  readonly expired: AbortSignal
}

function endedMeanwhile(containerId: string): OciError {
  const message = `container ${containerId} ended while the command was being started`
  return new OciError('ERR_NOT_RUNNING', message, { containerId, operation: 'startExec' })
}
