/**
 * The supervisor's side of attended children. Each has an end, also when the launcher dies: the child lives on then, and
 * only its exit status is lost.
 *
 * Deliberately not here: the standard streams, which go by path and not through the launcher.
 */
import { OciError } from '../../errors/index.ts'
import type {
  AttendedEnd,
  AttendedStdio,
  AttendingReply,
  AttendRequest,
  OrphanPolicy,
} from './attend-protocol.ts'
import type { NotStarted } from './command.ts'
import type { LauncherProcess } from './launcher-process.ts'

/** A process that runs as long as it likes, in a session of its own. */
export interface AttendCommand {
  readonly argv: readonly [string, ...string[]]
  /** Exactly this environment. */
  readonly env: Readonly<Record<string, string>>
  /** Default: `/`. */
  readonly cwd?: string | undefined
  /** FIFOs by path. The caller opens its own ends first and begins to read when the child stands. */
  readonly stdio: AttendedStdio
  /** Default `kill`, with all its descendants. */
  readonly onOrphan?: OrphanPolicy | undefined
}

export interface AttendedChild {
  readonly pid: number
  /** Never rejects. `lost`: the launcher died or was closed; the child may still run. */
  readonly ended: Promise<AttendedEnd | { readonly lost: string }>
  /** SIGKILL to the process itself. */
  kill(): void
}

/** Far more than a host can bear; a bound for a caller that starts them in a loop. */
const attendedMax = 16_384

interface Job {
  readonly process: LauncherProcess
  readonly begun: PromiseWithResolvers<AttendedChild | NotStarted>
  readonly ended: PromiseWithResolvers<AttendedEnd | { readonly lost: string }>
}

export interface AttendedSupply {
  acquire(): Promise<LauncherProcess>
}

export class AttendedChildren {
  readonly #supply: AttendedSupply
  readonly #jobs = new Map<number, Job>()
  #lastId = 0
  #closed = false

  constructor(supply: AttendedSupply) {
    this.#supply = supply
  }

  /** Rejects with ERR_CLOSED, ERR_BUSY, or ERR_LAUNCHER_LOST: then nobody knows whether it was started. */
  async attend(command: Omit<AttendRequest, 'type' | 'id'>): Promise<AttendedChild | NotStarted> {
    this.#refuse()
    const process = await this.#supply.acquire()
    this.#refuse()
    this.#lastId += 1
    const id = this.#lastId
    const job: Job = { process, begun: Promise.withResolvers(), ended: Promise.withResolvers() }
    this.#jobs.set(id, job)
    process.send({ type: 'attend', id, ...command })
    return job.begun.promise
  }

  onReply(reply: AttendingReply): void {
    const job = this.#jobs.get(reply.id)
    if (job === undefined) return
    const { process, begun, ended } = job
    if (reply.type === 'attending') {
      const { id, pid } = reply
      begun.resolve({ pid, ended: ended.promise, kill: () => process.send({ type: 'dismiss', id }) })
      return
    }
    this.#jobs.delete(reply.id)
    if ('errno' in reply.end) begun.resolve(reply.end)
    else ended.resolve(reply.end)
  }

  onLost(process: LauncherProcess, reason: string): void {
    for (const [id, job] of this.#jobs) {
      if (job.process !== process) continue
      this.#jobs.delete(id)
      const message = `the launcher died while it started this, its effect is uncertain: ${reason}`
      job.begun.reject(new OciError('ERR_LAUNCHER_LOST', message))
      job.ended.resolve({ lost: reason })
    }
  }

  get isAwaiting(): boolean {
    return this.#jobs.size > 0
  }

  /** Takes nothing more. What runs is brought to its end by the launcher when that is let go. */
  close(): void {
    this.#closed = true
  }

  #refuse(): void {
    if (this.#closed) throw new OciError('ERR_CLOSED', 'the launcher is closed')
    if (this.#jobs.size >= attendedMax)
      throw new OciError('ERR_BUSY', `more than ${attendedMax} long-lived children are attended already`)
  }
}
