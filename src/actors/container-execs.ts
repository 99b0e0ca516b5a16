/**
 * The commands that run in one container for a caller who holds their streams: which there are, and what is published of
 * them.
 *
 * The law: exec started ≺ exec exited ≺ the container's exit, each exactly once. What does not end in time is given up:
 * it is said to have ended unknown, and whatever is heard of it later is not told.
 */
import type { Container, ExecInfo } from '../container.ts'
import { OciError } from '../errors/index.ts'
import type { ExecExit, ExecPort, ExecRequest, ExecSession } from '../impl/exec-port.ts'
import { timestampOf, type Clock } from '../surroundings/clock.ts'
import type { ExecChange } from './actor-world.ts'

const SIGKILL = 9

export interface ContainerExecsOptions {
  readonly container: Container
  readonly execs: ExecPort | undefined
  readonly clock: Clock
  readonly publish: (event: ExecChange) => void
}

/** A session, and how it ended: also when it was given up. */
export interface StartedExec {
  readonly session: ExecSession
  readonly exited: Promise<ExecExit>
}

interface Running {
  readonly info: ExecInfo
  readonly end: (exit: ExecExit) => void
}

export class ContainerExecs {
  readonly #options: ContainerExecsOptions
  readonly #running = new Set<Running>()
  #isOver = false

  constructor(options: ContainerExecsOptions) {
    this.#options = options
  }

  /** Those that run, the oldest first. */
  get list(): readonly ExecInfo[] {
    return [...this.#running].map(({ info }) => info)
  }

  /** Resolves once it runs, and that is published. */
  async start(execs: ExecPort, request: ExecRequest, signal: AbortSignal): Promise<StartedExec> {
    const { container, clock } = this.#options
    const session = await execs.startExec(container, request, { signal })
    if (this.#isOver) {
      // Begun in the container's last moment, and told of by nobody: nothing may start once the exit is told.
      void session.kill(SIGKILL).catch(() => undefined)
      throw endedMeanwhile(container.id)
    }
    const info = Object.freeze({
      id: session.id,
      pid: session.pid,
      argv: Object.freeze([...request.argv]),
      tty: request.tty === true,
      started: timestampOf(clock),
    })
    return { session, exited: this.#follow(info, session) }
  }

  /** Ends all, those of `execSync` included. False when some had to be given up after `limitMs`. */
  async end(limitMs: number): Promise<boolean> {
    const { container, execs } = this.#options
    const haveEnded = (await execs?.endAll(container.id, limitMs)) ?? true
    this.#isOver = true
    for (const { end } of this.#running) end({ kind: 'unknown', why: 'given-up' })
    return haveEnded
  }

  #follow(info: ExecInfo, session: ExecSession): Promise<ExecExit> {
    const { publish } = this.#options
    const { promise: exited, resolve } = Promise.withResolvers<ExecExit>()
    const running: Running = {
      info,
      end: (exit) => {
        if (!this.#running.delete(running)) return
        publish({ type: 'execExited', execId: info.id, exit })
        resolve(exit)
      },
    }
    this.#running.add(running)
    publish({ type: 'execStarted', execId: info.id, pid: info.pid })
    void session.exited.then(running.end)
    return exited
  }
}

function endedMeanwhile(containerId: string): OciError {
  const message = `container ${containerId} ended while the command was being started`
  return new OciError('ERR_NOT_RUNNING', message, { containerId, operation: 'startExec' })
}
