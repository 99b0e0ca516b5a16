/**
 * The requests to the launcher: who waits for a slot, who is in flight, and how each one ends. Every request settles:
 * by its reply, by the launcher's death, or by a launcher that does not even confirm an abort and is killed for it.
 *
 * First come, first served, but for long-lived commands: they have a lane of their own, or a hundred open streams would
 * keep every other command waiting. The queue is on this side of the channel, so it survives a launcher.
 */
import { OciError, toOciError } from '../../errors/index.ts'
import type { AttendingReply } from './attend-protocol.ts'
import { whenExpired, within } from './deadlines.ts'
import type { LauncherLogger, LauncherProcess } from './launcher-process.ts'
import type { Answer, MonitorRequest, RunRequest } from './protocol.ts'

const queueMax = 16_384
/** The launcher gives up on a killed process after 2 s and says so; one that stays silent for this long is stuck itself. */
const abortConfirmMs = 10_000

export type Work = Omit<RunRequest, 'id'> | Omit<MonitorRequest, 'id'>
export type FinalReply = Extract<Answer, { type: 'ran' | 'monitored' | 'aborted' }>

/** What a requester may do once its process has been spawned. */
export interface SpawnedRequest {
  readonly pid: number
  start(): void
  abort(): void
}

export interface SubmitOptions {
  readonly signal?: AbortSignal | undefined
  readonly onSpawned?: (spawned: SpawnedRequest) => void
  /** Needs no slot, and is refused when there are `longLivedMax` of its kind. */
  readonly longLived?: boolean
}

/** Those that compete for the same slots. */
interface Lane {
  readonly inFlightMax: number
  readonly waiting: Job[]
  readonly waitingMax: number
  inFlightCount: number
}

interface Job extends SubmitOptions {
  readonly request: RunRequest | MonitorRequest
  readonly lane: Lane
  readonly resolve: (reply: FinalReply) => void
  readonly reject: (error: OciError) => void
  readonly settled: AbortController
  /** The launcher that has it; undefined while it waits for a slot. */
  process: LauncherProcess | undefined
  /** True from when its process may change the world. */
  started: boolean
  /** Set when it was given up: why, whatever the launcher answers. */
  verdict: OciError | undefined
}

export interface RequestQueueOptions {
  readonly inFlightMax: number
  readonly longLivedMax: number
  readonly supply: {
    current(): LauncherProcess | undefined
    acquire(): Promise<LauncherProcess>
  }
  readonly logger: LauncherLogger
}

export class RequestQueue {
  readonly #options: RequestQueueOptions
  readonly #ordinary: Lane
  readonly #longLived: Lane
  readonly #inFlight = new Map<number, Job>()
  #lastId = 0
  #feeding = false
  #closed = false
  #onIdle: () => void = () => undefined

  constructor(options: RequestQueueOptions) {
    this.#options = options
    this.#ordinary = newLane(options.inFlightMax, queueMax)
    this.#longLived = newLane(options.longLivedMax, options.longLivedMax)
  }

  /** Rejects with ERR_ABORTED, ERR_BUSY, ERR_CLOSED or ERR_LAUNCHER_LOST. */
  submit(work: Work, options: SubmitOptions = {}): Promise<FinalReply> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closedError())
      if (options.signal?.aborted === true) return reject(abortedError(options.signal))
      const lane = options.longLived === true ? this.#longLived : this.#ordinary
      if (isFull(lane, options.longLived === true)) return reject(busyError(lane, options.longLived === true))
      this.#lastId += 1
      const job: Job = {
        ...options,
        request: { ...work, id: this.#lastId },
        lane,
        resolve,
        reject,
        settled: new AbortController(),
        process: undefined,
        started: work.type === 'run',
        verdict: undefined,
      }
      options.signal?.addEventListener('abort', () => this.#giveUp(job, abortedError(options.signal)), {
        once: true,
        signal: job.settled.signal,
      })
      lane.waiting.push(job)
      void this.#feed()
    })
  }

  onReply(reply: Exclude<Answer, AttendingReply>): void {
    const job = this.#inFlight.get(reply.id)
    if (job === undefined) return
    switch (reply.type) {
      case 'spawned':
        job.onSpawned?.({
          pid: reply.pid,
          start: () => this.#start(job),
          abort: () => this.#abort(job),
        })
        break
      case 'ran':
      case 'monitored':
      case 'aborted':
        if (job.verdict === undefined) this.#settle(job, () => job.resolve(reply))
        else this.#fail(job, job.verdict)
    }
  }

  /** Whether an answer of that launcher's is awaited. */
  get isAwaiting(): boolean {
    return this.#inFlight.size > 0
  }

  onLost(process: LauncherProcess, reason: string): void {
    const message = `the launcher died while this was in flight, its effect is uncertain: ${reason}`
    for (const job of this.#inFlight.values())
      if (job.process === process) this.#fail(job, new OciError('ERR_LAUNCHER_LOST', message))
  }

  /** Takes nothing more, ends what has not begun, waits so long for the rest and gives that up. True if nothing is left. */
  async close(graceMs: number): Promise<boolean> {
    this.#closed = true
    const { waiting } = this.#ordinary
    for (const job of [...waiting, ...this.#longLived.waiting, ...this.#inFlight.values()])
      if (job.process === undefined || !job.started || job.lane === this.#longLived)
        this.#giveUp(job, closedError())
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve))
    if (this.#inFlight.size > 0) await within(idle, graceMs)
    const finished = this.#inFlight.size === 0
    for (const job of this.#inFlight.values()) this.#fail(job, closedError())
    return finished
  }

  async #feed(): Promise<void> {
    if (this.#feeding) return
    this.#feeding = true
    const { supply } = this.#options
    try {
      for (let lane = this.#ready(); lane !== undefined; lane = this.#ready()) {
        const process = supply.current()
        // Looked at again after every wait: the new one may be dead already, or the job given up.
        if (process === undefined) await supply.acquire()
        else this.#dispatch(lane, process)
      }
    } catch (error) {
      for (const { waiting } of [this.#ordinary, this.#longLived])
        while (waiting[0] !== undefined) this.#fail(waiting[0], toOciError(error, 'ERR_INTERNAL'))
    } finally {
      this.#feeding = false
    }
  }

  /** A lane in which somebody waits and a slot is free. */
  #ready(): Lane | undefined {
    return [this.#ordinary, this.#longLived].find(
      ({ waiting, inFlightCount, inFlightMax }) => waiting.length > 0 && inFlightCount < inFlightMax,
    )
  }

  #dispatch(lane: Lane, process: LauncherProcess): void {
    const job = lane.waiting.shift()
    if (job === undefined) return
    lane.inFlightCount += 1
    job.process = process
    this.#inFlight.set(job.request.id, job)
    process.hold(true)
    process.send(job.request)
  }

  #start(job: Job): void {
    if (job.settled.signal.aborted || job.verdict !== undefined) return
    job.started = true
    job.process?.send({ type: 'start', id: job.request.id })
  }

  #giveUp(job: Job, verdict: OciError): void {
    if (job.process === undefined) {
      this.#fail(job, verdict)
      return
    }
    job.verdict ??= verdict
    this.#abort(job)
  }

  #abort(job: Job): void {
    const { process, settled, request } = job
    if (settled.signal.aborted || process === undefined) return
    process.send({ type: 'abort', id: request.id })
    whenExpired(abortConfirmMs, settled.signal, () => {
      this.#options.logger.warn(
        { launcherPid: process.pid },
        'the launcher does not confirm an abort and is replaced',
      )
      void process.end()
    })
  }

  #fail(job: Job, error: OciError): void {
    this.#settle(job, () => job.reject(error))
  }

  #settle(job: Job, tell: () => void): void {
    job.settled.abort()
    const { lane } = job
    if (this.#inFlight.delete(job.request.id)) {
      lane.inFlightCount -= 1
      job.process?.hold(this.#inFlight.size > 0)
      if (this.#inFlight.size === 0) this.#onIdle()
    } else {
      const index = lane.waiting.indexOf(job)
      if (index >= 0) lane.waiting.splice(index, 1)
    }
    tell()
    void this.#feed()
  }
}

function newLane(inFlightMax: number, waitingMax: number): Lane {
  return { inFlightMax, waiting: [], waitingMax, inFlightCount: 0 }
}

/** What is long-lived never waits for a slot: nobody knows when one becomes free. */
function isFull({ waiting, waitingMax, inFlightCount }: Lane, longLived: boolean): boolean {
  return waiting.length + (longLived ? inFlightCount : 0) >= waitingMax
}

function busyError({ waitingMax }: Lane, longLived: boolean): OciError {
  const message = longLived
    ? `${waitingMax} long-lived commands run already; end one first`
    : `more than ${waitingMax} commands wait for the launcher`
  return new OciError('ERR_BUSY', message)
}

function closedError(): OciError {
  return new OciError('ERR_CLOSED', 'the launcher is closed')
}

function abortedError(signal: AbortSignal | undefined): OciError {
  return new OciError('ERR_ABORTED', 'the command was aborted and killed', { cause: signal?.reason })
}
