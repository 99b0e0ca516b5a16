/**
 * Runtime: the promise façade with the seed's verbs. Every verb is a message to the container's actor; nothing here
 * waits for another container, reads a file or spawns.
 */
import type { Duplex } from 'node:stream'
import type { Observable } from 'rxjs'
import { abortedCommand, checkAbortSignal, withAbort, withLimit } from './surroundings/abort.ts'
import { operationOf, toldOf } from './actors/actor-errors.ts'
import type { Command } from './actors/actor-world.ts'
import type { ContainerActor } from './actors/container.actor.ts'
import { recover } from './actors/recovery/recover.ts'
import type { RecoveryReport } from './actors/recovery/report.ts'
import { exitOfDeleted } from './actors/tombstone.ts'
import { timestampOf } from './surroundings/clock.ts'
import { composeRuntime, type Parts, type RuntimeOptions } from './compose.ts'
import { checkedConfig, validateRuntimeHandler, type Config, type RuntimeHandler } from './config/index.ts'
import { isContainer, type Container, type ExitStatus } from './container.ts'
import {
  checkOptionsObject,
  inContext,
  OciError,
  publicCall,
  publicVerb,
  toOciError,
  type ContainerOperation,
  type Operation,
} from './errors/index.ts'
import type { ExecExit } from './impl/exec-port.ts'
import type {
  AttachOptions,
  AttachSession,
  CheckFinding,
  ContainerStats,
  ExecSyncRequest,
  ExecSyncResult,
} from './impl/runtime-impl.ts'
import { KeepAlive } from './surroundings/keep-alive.ts'
import { defaultContainerLimits, timerDelayMaxMs } from './machines/delays.ts'
import type { StopCommand, Verb } from './machines/events.ts'
import type { EventsOptions, SupervisorEvent } from './observe/events.ts'
import type { OciLinuxResources } from './bundle/oci-spec.ts'
import { attachSessionOf } from './runtime/attach-session.ts'
import { checkImplementations, warnOfFindings } from './runtime/check.ts'
import {
  execProcessOf,
  execRequestOf,
  type ExecProcess,
  type ExecProcessOptions,
} from './runtime/exec-process.ts'
import { createRuntimeFacade, type RuntimeFacade } from './runtime/facade.ts'
import {
  checkCgroupParent,
  checkContainer,
  checkDuplex,
  checkFlag,
  checkRuntimeOptions,
  checkStopTimeout,
  closedError,
  execTimeoutMs,
  malformed,
  notFound,
  signalNumber,
} from './runtime/refusals.ts'
import { actorOptions, registered } from './registration.ts'
import type { ContainerStore } from './store/container-store.ts'

/** Options of every verb. */
export interface CallOptions {
  /**
   * Ends the wait with ERR_ABORTED, also when it is aborted already. The operation itself is begun and goes on: nothing
   * is left half done.
   */
  readonly signal?: AbortSignal | undefined
}

/** How a command is run beside its arguments and its time: environment, directory, user, limits of output. */
export type ExecSyncOptions = Omit<ExecSyncRequest, 'argv' | 'timeoutMs'> & CallOptions

/** Parity: the least time WaitContainerStateStopped waits. */
const stateStoppedWaitMinSeconds = 30

/**
 * Runs and supervises containers. Parity: the seed's Runtime.
 *
 * Every verb rejects with an OciError: ERR_INVALID_ARGUMENT for what is no container (`containers.get` of an unknown id),
 * ERR_NOT_FOUND for one that this runtime has not created, ERR_CLOSED after `close`, ERR_WRONG_STATUS when the container's
 * state forbids the command, ERR_ABORTED when the wait was aborted.
 */
export class Runtime implements AsyncDisposable {
  readonly #parts: Parts
  readonly #keepAlive = new KeepAlive()
  /** Ends what the runtime does of its own accord. */
  readonly #closed = new AbortController()
  #closing: Promise<void> | undefined
  #shuttingDown = false
  #recovering: Promise<RecoveryReport> | undefined
  #recovered: RecoveryReport | undefined

  private constructor(parts: Parts) {
    this.#parts = parts
  }

  /**
   * Opens a runtime: makes its directories, starts the launcher where a handler needs one, and takes up the containers of
   * an earlier supervisor (see {@link recover}; `recovered` has the report). Rejects with ERR_CONFIG, ERR_IO,
   * ERR_INVALID_ARGUMENT, or ERR_STATE_DIR_LOCKED while another supervisor has the state directory, and leaves nothing
   * open. An open runtime that nobody awaits an answer of does not keep the process alive. Parity: New.
   */
  static async open(config: Config, options: RuntimeOptions = {}): Promise<Runtime> {
    const parts = await publicVerb({ operation: 'open', code: 'ERR_INTERNAL' }, () => {
      checkRuntimeOptions(options)
      return composeRuntime(checkedConfig(config), options)
    })
    const runtime = new Runtime(parts)
    void warnOfFindings(parts.implementations, parts.logger, runtime.#closed.signal)
    if (options.recover === false) return runtime
    try {
      await runtime.recover()
      return runtime
    } catch (error) {
      await runtime.close()
      throw error
    }
  }

  /**
   * Takes up the containers that an earlier supervisor left in the state directory: adopts them as they are found, applies
   * exits that happened meanwhile, resumes stops, removes what was half created, sets aside what cannot be trusted.
   * Called by `open`. Again it takes up what could not be looked at before; containers that this runtime has are left
   * alone. A call during another joins it. One that does not answer holds up no other. Rejects with ERR_IO when the index
   * cannot be read.
   */
  async recover(): Promise<RecoveryReport> {
    this.#assertOpen('recover')
    this.#recovering ??= this.#keepAlive.during(this.#recover()).finally(() => {
      this.#recovering = undefined
    })
    return this.#recovering
  }

  /** What the last `recover` has found; undefined before the first. */
  get recovered(): RecoveryReport | undefined {
    return this.#recovered
  }

  /**
   * What the operator of this host should know of the programs that the handlers run: versions with known security holes,
   * programs that are missing. Runs each program once with `--version` and changes nothing. `open` logs the serious findings
   * as warnings, in the background. Rejects with ERR_ABORTED, ERR_CLOSED, ERR_BUSY or ERR_LAUNCHER_LOST.
   */
  async check(options: CallOptions = {}): Promise<readonly CheckFinding[]> {
    const operation = 'check'
    return publicVerb({ operation, code: 'ERR_INTERNAL' }, () => {
      this.#assertOpen(operation)
      checkOptionsObject(options, operation)
      const { signal } = options
      checkAbortSignal(signal, operation)
      const findings = checkImplementations(this.#parts.implementations, this.#closed.signal)
      return this.#keepAlive.during(withAbort(findings, signal, { operation }))
    })
  }

  /** All containers of this runtime. Maintained by create and delete; deleting an entry stops nothing. */
  get containers(): ContainerStore {
    return this.#parts.store
  }

  /** The configured handlers by name. Parity: Runtimes. */
  runtimes(): Readonly<Record<string, RuntimeHandler>> {
    return this.#parts.config.runtimes
  }

  /** The handler of that name, or ERR_UNKNOWN_HANDLER naming the known ones. Parity: ValidateRuntimeHandler. */
  validateRuntimeHandler(name: string): RuntimeHandler {
    return validateRuntimeHandler(this.#parts.config, name)
  }

  /** The seed's verbs bound to one container. Parity: RuntimeImpl. */
  runtimeImpl(container: Container): RuntimeFacade {
    checkContainer(container, 'runtimeImpl')
    return createRuntimeFacade(this, container)
  }

  /**
   * Creates the container: everything but running its command. Resolves when it is created and on disk. The same call
   * again while it is under way joins it. Rejects with ERR_CONTAINER_EXISTS for another container of that id,
   * ERR_UNKNOWN_HANDLER, ERR_CONFIG, ERR_BUNDLE, ERR_CREATE_FAILED, ERR_COMMAND_NOT_FOUND, ERR_MONITOR_FAILED,
   * ERR_RUNTIME_NOT_FOUND, ERR_TIMEOUT or ERR_CANCELLED; what was half done is cleaned up by then, and the container
   * stays registered as `failed` until it is deleted. `cgroupParent` places the monitor, not the container.
   * Parity: CreateContainer.
   */
  async createContainer(
    container: Container,
    cgroupParent?: string,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#door('createContainer', container, options, async () => {
      if (this.#shuttingDown) throw closedError('shutting down', 'createContainer')
      checkCgroupParent(cgroupParent, container.id)
      const actor = this.#parts.registry.find(container) ?? (await registered(this.#parts, container))
      await this.#command(actor, 'create', { type: 'container.create', cgroupParent }, options)
    })
  }

  /**
   * Runs the container's command; also where somebody else has done so already. After a failure the container is stopped
   * and cleaned up, with the error in its state and no exit published. Parity: StartContainer.
   */
  async startContainer(container: Container, options: CallOptions = {}): Promise<void> {
    await this.#verb('startContainer', container, options, (actor) =>
      this.#command(actor, 'start', { type: 'container.start' }, options),
    )
  }

  /** Freezes all processes of the container. Parity: PauseContainer. */
  async pauseContainer(container: Container, options: CallOptions = {}): Promise<void> {
    await this.#verb('pauseContainer', container, options, (actor) =>
      this.#command(actor, 'pause', { type: 'container.pause' }, options),
    )
  }

  /** Parity: UnpauseContainer. */
  async unpauseContainer(container: Container, options: CallOptions = {}): Promise<void> {
    await this.#verb('unpauseContainer', container, options, (actor) =>
      this.#command(actor, 'unpause', { type: 'container.unpause' }, options),
    )
  }

  /**
   * Stops the container: its stop signal, then KILL after `timeoutSeconds` (≤ 0: KILL at once; Infinity: never).
   * Resolves when the exit is recorded. Any number of calls may overlap; the earliest deadline counts. Rejects with
   * ERR_STOP_STUCK when KILL had no effect for two minutes, while killing goes on. Parity: StopContainer.
   */
  async stopContainer(
    container: Container,
    timeoutSeconds: number,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#verb('stopContainer', container, options, async (actor) => {
      checkStopTimeout(timeoutSeconds, 'stopContainer', container.id)
      const timeoutMs = timeoutSeconds * 1000
      await this.#command(actor, 'stop', { type: 'container.stop', timeoutMs, ...this.#now() }, options)
    })
  }

  /**
   * Deletes the container and frees its id. Forced, as in the seed: a living container is killed and its exit recorded
   * first. `{ force: false }` kills nothing and cancels nothing: one that is being created or lives, also while it is being
   * stopped, is refused with ERR_WRONG_STATUS. Parity: DeleteContainer.
   */
  async deleteContainer(
    container: Container,
    options: CallOptions & { readonly force?: boolean } = {},
  ): Promise<void> {
    await this.#verb('deleteContainer', container, options, async (actor) => {
      const { force = true } = options
      checkFlag('force', force, 'deleteContainer', container.id)
      await this.#command(actor, 'delete', { type: 'container.delete', force, ...this.#now() }, options)
    })
  }

  /** Sends a signal (name or number) to the container's init process. Parity: SignalContainer. */
  async signalContainer(
    container: Container,
    signal: string | number,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#verb('signalContainer', container, options, (actor) => {
      const number = signalNumber(signal, container.id)
      return this.#answer(actor.side.signal(number), options, container, 'signalContainer')
    })
  }

  /**
   * Runs `command` in the container to its end: exit code, stdout and stderr apart, as bytes. A code other than 0 never
   * throws. When `timeoutSeconds` (0 or less: no limit) are over its whole process tree is killed and the result is exit
   * code −1 with stderr `command timed out`. Rejects with an {@link ExecSyncError} when it could not be run, with
   * ERR_WRONG_STATUS unless the container runs or is in the grace of a stop. An aborted `signal` kills the command.
   * Parity: ExecSyncContainer, which threw on a timeout.
   */
  async execSyncContainer(
    container: Container,
    command: readonly string[],
    timeoutSeconds = 0,
    options: ExecSyncOptions = {},
  ): Promise<ExecSyncResult> {
    return this.#verb('execSyncContainer', container, options, (actor) => {
      const timeoutMs = execTimeoutMs(timeoutSeconds, container.id)
      const { signal = new AbortController().signal, ...request } = options
      return this.#keepAlive.during(actor.side.execSync({ ...request, argv: command, timeoutMs }, signal))
    })
  }

  /**
   * Starts `command` in the container and resolves once it runs; its streams are tied to those in `options`, with
   * backpressure. Listed in `container.execs` until it ends, which it does with its container at the latest. An aborted
   * `signal` ends it as `onDisconnect` says. Rejects as {@link execSyncContainer}.
   */
  async startExec(
    container: Container,
    command: readonly string[],
    options: ExecProcessOptions & CallOptions = {},
  ): Promise<ExecProcess> {
    return this.#verb('startExec', container, options, async (actor) => {
      const { signal = new AbortController().signal, ...rest } = options
      const request = execRequestOf(command, rest, container.id)
      const started = await this.#keepAlive.during(actor.side.startExec(request, signal))
      return execProcessOf(started, rest, { clock: this.#parts.clock, keepAlive: this.#keepAlive })
    })
  }

  /**
   * {@link startExec} to the end: resolves with how the command ended, once its output is written to the streams in
   * `options`. A code other than 0 never throws. Parity: ExecContainer.
   */
  async execContainer(
    container: Container,
    command: readonly string[],
    options: ExecProcessOptions & CallOptions = {},
  ): Promise<ExecExit> {
    const operation = 'execContainer'
    const started = await this.startExec(container, command, options).catch((error: unknown) => {
      throw inContext(error, { operation })
    })
    const waiter = { containerId: container.id, operation } as const
    return withAbort(started.exited, options.signal, waiter, abortedCommand)
  }

  /**
   * Joins a client to the streams of a container that is created or runs, and resolves when it is joined; `ended` of the
   * session says how it ended. A client that does not read is dropped before it can hold up the container. An aborted
   * `signal` ends the session. ERR_WRONG_STATUS, ERR_MONITOR_LOST. Parity: AttachContainer, which returned at the end.
   */
  async attachContainer(
    container: Container,
    request: AttachOptions = {},
    options: CallOptions = {},
  ): Promise<AttachSession> {
    return this.#verb('attachContainer', container, options, async (actor) => {
      checkOptionsObject(request, 'attachContainer', 'request')
      const { signal = new AbortController().signal } = options
      const session = await this.#keepAlive.during(actor.side.attach(request, signal))
      return attachSessionOf(session, this.#keepAlive)
    })
  }

  /**
   * Connects `stream` with a TCP port on the loopback interface inside the container's network namespace. Resolves when
   * both directions have ended or the client has left; an aborted `signal` or the container's end ends it.
   * ERR_PORT_REFUSED when nobody listens, ERR_UNSUPPORTED without socat or nsenter. Parity: PortForwardContainer.
   */
  async portForwardContainer(
    container: Container,
    port: number,
    stream: Duplex,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#verb('portForwardContainer', container, options, (actor) => {
      checkDuplex(stream, 'portForwardContainer', container.id)
      return this.#keepAlive.during(actor.side.portForward({ port, stream }, options.signal))
    })
  }

  /**
   * Has the container's log written to a new file at its path, from where you have renamed the old one. Resolves when it
   * is so. ERR_INVALID_ARGUMENT when that would destroy a log, ERR_MONITOR_LOST, ERR_TIMEOUT. Parity: ReopenContainerLog.
   */
  async reopenContainerLog(container: Container, options: CallOptions = {}): Promise<void> {
    await this.#verb('reopenContainerLog', container, options, (actor) =>
      this.#answer(actor.side.reopenLog(), options, container, 'reopenContainerLog'),
    )
  }

  /**
   * Changes limits of a living container: memory, CPU, pids, cpuset. What `resources` leaves out stays as it is; after a
   * failure the old limits stand. ERR_INVALID_ARGUMENT names the field, also for a memory limit below what is in use.
   * Parity: UpdateContainer.
   */
  async updateContainer(
    container: Container,
    resources: OciLinuxResources,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#verb('updateContainer', container, options, (actor) =>
      this.#answer(actor.side.update(resources), options, container, 'updateContainer'),
    )
  }

  /**
   * One sample of what the container uses, read from the kernel's files without starting a process; also of a container
   * that has ended, until it is deleted. Parity: ContainerStats.
   */
  async containerStats(container: Container, options: CallOptions = {}): Promise<ContainerStats> {
    return this.#verb('containerStats', container, options, (actor) =>
      this.#answer(actor.side.stats(), options, container, 'containerStats'),
    )
  }

  /**
   * Looks at the world and brings the container's state up to it: exit file, process, freezer; the runtime is asked only
   * where they contradict the state. Resolves once applied; a failure to look changes nothing. Calls that overlap share
   * their looks. Parity: UpdateContainerStatus.
   */
  async updateContainerStatus(container: Container, options: CallOptions = {}): Promise<void> {
    await this.#verb('updateContainerStatus', container, options, (actor) =>
      this.#answer(actor.refresh(), options, container, 'updateContainerStatus'),
    )
  }

  /**
   * How the container ended, once that is recorded. No time limit. A container that has been deleted meanwhile is its
   * own tombstone: it answers as long as the `Container` object is held, whatever has become of its id. Rejects with the
   * error of its create when it never was created, and with ERR_CLOSED when the runtime is closed before the end is known.
   */
  async waitContainer(container: Container, options: CallOptions = {}): Promise<ExitStatus> {
    return this.#door(
      'waitContainer',
      container,
      options,
      () => this.#exit(container, options, 'waitContainer'),
      { alsoClosed: true },
    )
  }

  /**
   * Resolves when the container is stopped; rejects with ERR_TIMEOUT after max(ctr_stop_timeout, 30) s, and like
   * {@link waitContainer}. Parity: WaitContainerStateStopped.
   */
  async waitContainerStateStopped(container: Container, options: CallOptions = {}): Promise<void> {
    await this.#door(
      'waitContainerStateStopped',
      container,
      options,
      () => this.#stateStopped(container, options),
      { alsoClosed: true },
    )
  }

  /**
   * What happens to containers, in order, from now on or from the cursor `since`. A consumer that falls behind gets an
   * explicit `dropped` event in place of what it missed.
   */
  events(options: EventsOptions = {}): AsyncIterable<SupervisorEvent> {
    return publicCall({ operation: 'events' }, () => {
      checkOptionsObject(options, 'events')
      checkAbortSignal(options.signal, 'events')
      return this.#parts.events.events(options)
    })
  }

  /** The same as an Observable, without buffer: each event is delivered as it happens. */
  get events$(): Observable<SupervisorEvent> {
    return this.#parts.events.events$
  }

  /** @internal What `oci-supervisor/inspect` and `/metrics` look at. Looking attaches nothing. */
  get parts(): Pick<Parts, 'config' | 'registry' | 'events' | 'clock' | 'logger'> {
    return this.#parts
  }

  /**
   * Closes the runtime; containers go on. Commands in flight are awaited for up to `drainMs` (default 0: their effects
   * are abandoned and their callers get ERR_CLOSED), new ones are refused at once. A second call gets the first's promise.
   */
  async close(options: { readonly drainMs?: number } = {}): Promise<void> {
    checkOptionsObject(options, 'close')
    const { drainMs = 0 } = options
    if (typeof drainMs !== 'number' || Number.isNaN(drainMs))
      throw malformed('drainMs', 'drainMs must be a number of milliseconds', 'close')
    this.#closing ??= this.#keepAlive.during(this.#close(drainMs))
    await this.#closing
  }

  /**
   * Stops all containers at once, each with this grace, then closes. Nothing can be created any more. Rejects, after
   * closing, when some could not be stopped: with the first one's code, and all failures in an AggregateError as `cause`.
   */
  async shutdown(options: { readonly timeoutSeconds?: number } = {}): Promise<void> {
    const operation = 'shutdown'
    this.#assertOpen(operation)
    checkOptionsObject(options, operation)
    const { timeoutSeconds = 10 } = options
    checkStopTimeout(timeoutSeconds, operation)
    this.#shuttingDown = true
    const living = this.#parts.registry.actors.filter((actor) => actor.mayRun)
    const stops = await Promise.allSettled(
      living.map((actor) => this.stopContainer(actor.container, timeoutSeconds)),
    )
    await this.close()
    const failures = stops.flatMap((stop) => (stop.status === 'rejected' ? [stop.reason as unknown] : []))
    if (failures.length === 0) return
    const message = `${failures.length} of ${living.length} containers could not be stopped; the runtime is closed`
    const { code } = toOciError(failures[0], 'ERR_INTERNAL')
    throw new OciError(code, message, { operation, cause: new AggregateError(failures, message) })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #recover(): Promise<RecoveryReport> {
    const { survivors, registry, clock, logger, store, limits, implementations, events } = this.#parts
    const recovering = recover({
      survivors,
      registry,
      clock,
      logger,
      implementations,
      since: events.cursor,
      limitMs: limits.recoverTimeoutMs ?? defaultContainerLimits.recoverTimeoutMs,
      optionsFor: (container, handler) => actorOptions(this.#parts, container, handler),
      list: (container) => {
        store.add(container.id, container)
      },
    })
    this.#recovered = await publicVerb({ operation: 'recover', code: 'ERR_INTERNAL' }, () => recovering)
    return this.#recovered
  }

  async #close(drainMs: number): Promise<void> {
    if (drainMs > 0) await this.#drained(drainMs)
    this.#closed.abort()
    await this.#parts.close(
      new OciError('ERR_CLOSED', 'the runtime was closed while the operation was in flight'),
    )
  }

  /** Resolves when no command is in flight, or after `limitMs`. */
  async #drained(limitMs: number): Promise<void> {
    const { clock, registry } = this.#parts
    const { promise: over, resolve } = Promise.withResolvers<void>()
    const timer = clock.setTimeout(resolve, Math.min(limitMs, timerDelayMaxMs))
    const idle = registry.actors.map(async (actor) => {
      await actor.idle()
    })
    await Promise.race([over, Promise.all(idle)])
    clock.clearTimeout(timer)
  }

  async #command(actor: ContainerActor, verb: Verb, command: Command, options: CallOptions): Promise<void> {
    await this.#answer(actor.request(verb, command), options, actor.container, operationOf(verb))
  }

  #answer<T>(
    answer: Promise<T>,
    { signal }: CallOptions,
    { id: containerId }: Container,
    operation: ContainerOperation,
  ): Promise<T> {
    return this.#keepAlive.during(withAbort(answer, signal, { containerId, operation }))
  }

  async #exit(
    container: Container,
    { signal }: CallOptions,
    operation: ContainerOperation,
  ): Promise<ExitStatus> {
    const actor = this.#parts.registry.find(container)
    if (actor !== undefined) return this.#keepAlive.during(actor.exit(signal, operation))
    const { id: containerId } = container
    return withAbort(exitOfBuried(container, operation), signal, { containerId, operation })
  }

  async #stateStopped(container: Container, { signal }: CallOptions): Promise<void> {
    const operation = 'waitContainerStateStopped'
    const limitSeconds = Math.max(this.#parts.config.ctrStopTimeoutSeconds, stateStoppedWaitMinSeconds)
    const limitMs = Math.min(limitSeconds * 1000, timerDelayMaxMs)
    const timedOut = (): OciError => {
      const message = `container ${container.id} was not stopped within ${limitSeconds} s; it is ${container.phase}`
      return new OciError('ERR_TIMEOUT', message, { containerId: container.id, operation })
    }
    await withLimit({ clock: this.#parts.clock, limitMs, timedOut }, async (limit) => {
      const wait = new AbortController()
      const abort = (): void => {
        wait.abort(signal?.reason)
      }
      limit.addEventListener('abort', abort, { once: true })
      signal?.addEventListener('abort', abort, { once: true })
      if (signal?.aborted === true) abort()
      try {
        await this.#exit(container, { signal: wait.signal }, operation)
      } finally {
        signal?.removeEventListener('abort', abort)
      }
    })
  }

  /**
   * The door that every verb on a container goes through: what it is called with is what it may be called with, and what
   * it rejects with is an OciError with its name.
   */
  #door<T>(
    operation: ContainerOperation,
    container: Container,
    options: CallOptions,
    work: () => Promise<T>,
    { alsoClosed = false }: { readonly alsoClosed?: boolean } = {},
  ): Promise<T> {
    const containerId = isContainer(container) ? container.id : undefined
    return publicVerb({ operation, containerId, code: 'ERR_INTERNAL' }, async () => {
      if (!alsoClosed) this.#assertOpen(operation)
      checkContainer(container, operation)
      checkOptionsObject(options, operation)
      checkAbortSignal(options.signal, operation)
      return work()
    })
  }

  /** A verb on a container that this runtime has. */
  #verb<T>(
    operation: ContainerOperation,
    container: Container,
    options: CallOptions,
    work: (actor: ContainerActor) => Promise<T>,
  ): Promise<T> {
    return this.#door(operation, container, options, () => {
      const actor = this.#parts.registry.find(container)
      if (actor === undefined) throw notFound(container, operation)
      return work(actor)
    })
  }

  #now(): Pick<StopCommand, 'atMs' | 'requestedAt'> {
    const { clock } = this.#parts
    return { atMs: clock.now(), requestedAt: timestampOf(clock) }
  }

  #assertOpen(operation: Operation): void {
    if (this.#closing !== undefined) throw closedError('closed', operation)
  }
}

/** How a container ended that has no actor any more. */
async function exitOfBuried(container: Container, operation: ContainerOperation): Promise<ExitStatus> {
  try {
    const exit = exitOfDeleted(container)
    if (exit !== undefined) return exit
  } catch (error) {
    throw toldOf(error, container.id, operation)
  }
  throw notFound(container, operation)
}
