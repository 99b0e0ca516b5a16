/**
 * The public side of the launcher: commands and monitors are asked for here and spawned by a small process of our own.
 *
 * It starts another launcher when one has died. It repeats no request: what a dead launcher was doing may have happened.
 */
import { resolve as resolvePath } from 'node:path'
import { OciError } from '../../errors/index.ts'
import { nodeProgram, ownProgram } from '../own-program.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { type AttendCommand, type AttendedChild, AttendedChildren } from './attended-children.ts'
import { checkedCommand } from './check-command.ts'
import {
  type Command,
  type CommandResult,
  type MonitorCommand,
  type MonitorFailure,
  type NotStarted,
  stdoutDefaultMaxBytes,
} from './command.ts'
import { type LauncherLogger, startLauncherProcess } from './launcher-process.ts'
import { LauncherSupply } from './launcher-supply.ts'
import type { Answer } from './protocol.ts'
import { type FinalReply, RequestQueue, type SpawnedRequest } from './request-queue.ts'

export type { AttendCommand, AttendedChild } from './attended-children.ts'
export type { Command, CommandResult, MonitorCommand, MonitorFailure, NotStarted } from './command.ts'
export type { LauncherLogger } from './launcher-process.ts'

export interface MonitorCreated {
  readonly kind: 'created'
  readonly containerPid: number
}

export type MonitorOutcome = MonitorCreated | MonitorFailure

export interface Launcher {
  /** Of the launcher process that is running now. */
  readonly pid: number | undefined

  /**
   * Runs a command to its end. How it ended is the result, never an error. Aborting kills it, with its process group.
   * Rejects with ERR_LAUNCHER_LOST (its effect is uncertain), ERR_ABORTED, ERR_CLOSED, ERR_BUSY (thousands wait
   * already, or as many long-lived ones run as may), or ERR_INVALID_ARGUMENT (what execve cannot take).
   */
  run(command: Command, signal?: AbortSignal): Promise<CommandResult>

  /**
   * Starts a monitor: spawns it, awaits `beforeStart(pid)`, which may move it to its cgroup, and only then sends the
   * start byte. Settles after `beforeStart` has settled: when this call is over, nothing of it is running any more.
   *
   * Rejects as `run` does, or with what `beforeStart` rejected with. Before the start byte, an abort or a failing
   * `beforeStart` kills the monitor and leaves nothing. Afterwards an abort is like the outcome `timedOut`: the
   * monitor's daemon may live on and a container may exist, so the caller kills what the `-P` file names and runs
   * `delete --force`. The same holds for ERR_LAUNCHER_LOST at any time, since a monitor takes the launcher's death for
   * its start byte.
   */
  spawnMonitor(
    command: MonitorCommand,
    beforeStart: (pid: number) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<MonitorOutcome>

  /**
   * Starts a process that runs as long as it likes, with FIFOs as its standard streams. It takes no slot of
   * `inFlightMax` and survives the launcher; when the supervisor disappears or this is closed, `onOrphan` decides.
   *
   * Rejects as `run` does; with ERR_LAUNCHER_LOST it may have been started.
   */
  attend(command: AttendCommand): Promise<AttendedChild | NotStarted>

  /**
   * Requests that wait, long-lived commands, and monitors without their start byte, are rejected with ERR_CLOSED at once; the rest is
   * waited for, `closeGraceMs` at most, and then rejected. A launcher with nothing to do that does not end is killed.
   * Containers and their monitors go on. Never rejects.
   */
  close(): Promise<void>
}

export interface LauncherOptions {
  /** The Node that runs the launcher. Default: the one that runs us. */
  readonly nodePath?: string | undefined
  /** The launcher's program, for those who bundle this package into one file. */
  readonly launcherPath?: string | undefined
  readonly logger?: LauncherLogger | undefined
  /** The soft limit on open files that children get. Default 1024, the kernel's own default. */
  readonly nofileSoft?: number | undefined
  /** A descriptor of ours that the launcher shall hold open until it ends, and hand to nobody. */
  readonly heldFd?: number | undefined
  /** How many children may be under way at once; more requests wait in order. Default 64. */
  readonly inFlightMax?: number | undefined
  /** How many long-lived commands there may be beside those. Default 256; each keeps two descriptors open in the launcher. */
  readonly longLivedMax?: number | undefined
  /** Default 10 s. */
  readonly closeGraceMs?: number | undefined
  /** Told of every launcher process before it is asked for anything. */
  readonly onStarted?: ((launcher: ProcessIdentity) => Promise<void>) | undefined
  /** How often a launcher whose answer is awaited is asked whether it is there. Default 5 s; after six times it is replaced. */
  readonly pingIntervalMs?: number | undefined
}

/** An idle launcher ends within milliseconds, on a host that is not overloaded. */
const exitGraceMs = 5000

const silent: LauncherLogger = { debug: () => undefined, warn: () => undefined }

/** Starts the launcher. Rejects with ERR_LAUNCHER_LOST, saying why, if it does not start. */
export async function openLauncher(options: LauncherOptions = {}): Promise<Launcher> {
  const launcher = new ProcessLauncher(options)
  await launcher.open()
  return launcher
}

class ProcessLauncher implements Launcher {
  readonly #supply: LauncherSupply
  readonly #requests: RequestQueue
  readonly #attended: AttendedChildren
  readonly #closeGraceMs: number
  #closing: Promise<void> | undefined

  constructor(options: LauncherOptions) {
    const { logger = silent, nodePath, launcherPath, nofileSoft = 1024 } = options
    this.#closeGraceMs = options.closeGraceMs ?? 10_000
    this.#requests = new RequestQueue({
      inFlightMax: options.inFlightMax ?? 64,
      longLivedMax: options.longLivedMax ?? 256,
      logger,
      supply: { current: () => this.#supply.current, acquire: () => this.#supply.acquire() },
    })
    this.#attended = new AttendedChildren({ acquire: () => this.#supply.acquire() })
    const processOptions = {
      nodePath: nodeProgram(nodePath),
      launcherPath: launcherPath === undefined ? defaultLauncher() : resolvePath(launcherPath),
      nofileSoft,
      heldFd: options.heldFd,
      logger,
      onReply: (reply: Answer) => {
        if (reply.type === 'attending' || reply.type === 'attended') this.#attended.onReply(reply)
        else this.#requests.onReply(reply)
      },
      isAwaited: () => this.#requests.isAwaiting || this.#attended.isAwaiting,
      onStarted: options.onStarted,
      pingIntervalMs: options.pingIntervalMs,
    }
    this.#supply = new LauncherSupply({
      logger,
      start: () => startLauncherProcess(processOptions),
      onLost: (process, reason) => {
        this.#requests.onLost(process, reason)
        this.#attended.onLost(process, reason)
      },
    })
  }

  get pid(): number | undefined {
    return this.#supply.current?.pid
  }

  async open(): Promise<void> {
    await this.#supply.open()
  }

  async run(command: Command, signal?: AbortSignal): Promise<CommandResult> {
    const { stdoutMaxBytes = stdoutDefaultMaxBytes, longLived = false } = command
    const reply = await this.#requests.submit(
      { type: 'run', ...checkedCommand(command), stdoutMaxBytes },
      { signal, longLived },
    )
    if (reply.type !== 'ran') throw unasked(reply.type)
    return reply.result
  }

  async spawnMonitor(
    command: MonitorCommand,
    beforeStart: (pid: number) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<MonitorOutcome> {
    const { syncFifo } = command
    const work = { type: 'monitor', ...checkedCommand(command), syncFifo } as const
    let prepared: Promise<Refusal | undefined> = Promise.resolve(undefined)
    const onSpawned = (spawned: SpawnedRequest) => {
      prepared = prepare(spawned, beforeStart)
    }
    const [reply, refusal] = await this.#requests.submit(work, { signal, onSpawned }).then(
      async (answer) => [answer, await prepared] as const,
      async (error: unknown) => {
        await prepared
        throw error
      },
    )
    return outcomeOf(reply, refusal)
  }

  attend({ onOrphan = 'kill', stdio, ...command }: AttendCommand): Promise<AttendedChild | NotStarted> {
    const { argv, env, cwd } = checkedCommand({ ...command, timeoutMs: Infinity })
    return this.#attended.attend({ argv, env, cwd, stdio, onOrphan })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#attended.close()
    const finished = await this.#requests.close(this.#closeGraceMs)
    // One that still has something to finish ends later, without us.
    await this.#supply.close(finished ? exitGraceMs : undefined)
  }
}

/** Why the start byte was withheld. */
interface Refusal {
  readonly cause: unknown
}

async function prepare(
  spawned: SpawnedRequest,
  beforeStart: (pid: number) => Promise<void>,
): Promise<Refusal | undefined> {
  try {
    await beforeStart(spawned.pid)
    spawned.start()
    return undefined
  } catch (cause) {
    spawned.abort()
    return { cause }
  }
}

/** A monitor that ended by itself says more than the failure to move a dead process to a cgroup. */
function outcomeOf(reply: FinalReply, refusal: Refusal | undefined): MonitorOutcome {
  const answer = reply.type === 'monitored' ? reply.answer : undefined
  if (answer !== undefined && answer.kind !== 'created') return answer
  if (refusal !== undefined) throw refusal.cause
  if (answer === undefined) throw unasked(reply.type)
  return answer
}

function unasked(type: string): OciError {
  return new OciError('ERR_INTERNAL', `the launcher answered with '${type}', which was not asked for`)
}

function defaultLauncher(): string {
  return ownProgram(import.meta.url, { folder: 'launcher', field: 'launcherPath' })
}
