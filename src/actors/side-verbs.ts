/**
 * The verbs beside a container's life: they ask the implementation directly and leave the machine's state as it is. The
 * machine decides only whether the container's phase permits them, in the same turn in which they begin.
 */
import type { OciLinuxResources } from '../bundle/oci-spec.ts'
import type { Container, ContainerPhase, ExecInfo } from '../container.ts'
import { inContext, toOciError, type ContainerOperation, type OciError } from '../errors/index.ts'
import type { ExecRequest } from '../impl/exec-port.ts'
import type {
  AttachOptions,
  AttachSession,
  ContainerStats,
  EffectOptions,
  ExecSyncRequest,
  ExecSyncResult,
  PortForwardRequest,
  ProcessIdentity,
  RuntimeImpl,
} from '../impl/runtime-impl.ts'
import type { ContainerLimits } from '../machines/delays.ts'
import { abortedCommand, withAbort, withLimit } from '../surroundings/abort.ts'
import type { Clock } from '../surroundings/clock.ts'
import { operationOf, sideTimeoutError, unsupportedError, type SideVerb } from './actor-errors.ts'
import type { ExecChange } from './actor-world.ts'
import { ContainerExecs, type StartedExec } from './container-execs.ts'
import { RunningEffects } from './running-effects.ts'

/** Also in the grace of a stop, where a preStop hook may need it; not once killing has begun. */
const permitsExec: ReadonlySet<ContainerPhase> = new Set(['running', 'stopping.signalling', 'stopping.grace'])

/** What these verbs need of the container's actor. */
export interface SideScope {
  readonly container: Container
  readonly impl: RuntimeImpl
  readonly clock: Clock
  readonly limits: ContainerLimits
  readonly phase: ContainerPhase
  readonly init: ProcessIdentity | undefined
  /** True while there is a process, or may be one. */
  readonly isLive: boolean
  /** Resolves when there is a machine that knows the phase; rejects when there never will be again. */
  answering(): Promise<void>
  wrongStatus(verb: SideVerb): OciError
  publishExec(event: ExecChange): void
}

export class SideVerbs {
  readonly #scope: SideScope
  readonly #execs: ContainerExecs
  readonly #connections = new RunningEffects()

  constructor(scope: SideScope) {
    this.#scope = scope
    const { container, impl, clock, limits } = scope
    const publish = (event: ExecChange): void => {
      scope.publishExec(event)
    }
    const startTimeoutMs = limits.execStartTimeoutMs
    this.#execs = new ContainerExecs({ container, execs: impl.execs, clock, startTimeoutMs, publish })
  }

  get execs(): readonly ExecInfo[] {
    return this.#execs.list
  }

  /** Sends a signal to the init process. */
  async signal(signal: number): Promise<void> {
    await this.#limited('signal', this.#scope.limits.signalTimeoutMs, (effect) => {
      const { impl, container, init, isLive } = this.#scope
      if (!isLive || init === undefined) throw this.#scope.wrongStatus('signal')
      return impl.signal(container, init, signal, effect)
    })
  }

  /** Changes limits of the living container. */
  async update(resources: OciLinuxResources): Promise<void> {
    await this.#limited('update', this.#scope.limits.updateTimeoutMs, (effect) => {
      const { impl, container } = this.#scope
      if (impl.update === undefined) throw this.#unsupported('updateContainer')
      this.#assertLive('update')
      return impl.update(container, resources, effect)
    })
  }

  /** A sample of what the container uses; also of one that has ended, until it is deleted. */
  stats(): Promise<ContainerStats> {
    return this.#limited('stats', this.#scope.limits.observeTimeoutMs, (effect) => {
      const { impl, container } = this.#scope
      if (impl.stats === undefined) throw this.#unsupported('containerStats')
      return impl.stats(container, effect)
    })
  }

  /** Has the container's log written to a new file; also while the container is being stopped. */
  async reopenLog(): Promise<void> {
    await this.#limited('reopenLog', this.#scope.limits.updateTimeoutMs, (effect) => {
      const { impl, container } = this.#scope
      if (impl.streams === undefined) throw this.#unsupported('reopenContainerLog')
      this.#assertLive('reopenLog')
      return impl.streams.reopenLog(container, effect)
    })
  }

  /** Runs a command in the container to its end. */
  async execSync(request: ExecSyncRequest, signal: AbortSignal): Promise<ExecSyncResult> {
    return this.#abortable('execSync', signal, () => {
      const { impl, container, limits } = this.#scope
      if (impl.execs === undefined) throw this.#unsupported('execSyncContainer')
      this.#assertPermitsExec('execSync')
      const startTimeoutMs = limits.execStartTimeoutMs
      return impl.execs.execSync(container, request, { signal, startTimeoutMs })
    })
  }

  /** Starts a command in the container. */
  async startExec(request: ExecRequest, signal: AbortSignal): Promise<StartedExec> {
    return this.#abortable('startExec', signal, () => {
      const { execs } = this.#scope.impl
      if (execs === undefined) throw this.#unsupported('startExec')
      this.#assertPermitsExec('startExec')
      return this.#execs.start(execs, request, signal)
    })
  }

  /** The container has ended: so do the commands in it. False when some had to be given up. */
  endExecs(limitMs: number): Promise<boolean> {
    return this.#execs.end(limitMs)
  }

  /** Joins a client to the container's streams. */
  async attach(request: AttachOptions, signal: AbortSignal): Promise<AttachSession> {
    return this.#named('attach', () => {
      const { impl, container } = this.#scope
      if (impl.attach === undefined) throw this.#unsupported('attachContainer')
      this.#assertLive('attach')
      return impl.attach(container, request, { signal })
    })
  }

  /** Connects a stream with a port inside the container, until either ends or {@link disconnect}. */
  async portForward(request: PortForwardRequest, aborted: AbortSignal | undefined): Promise<void> {
    await this.#named('portForward', () => {
      const { impl, container, init, isLive } = this.#scope
      const { streams } = impl
      if (streams === undefined) throw this.#unsupported('portForwardContainer')
      if (!isLive || init === undefined) throw this.#scope.wrongStatus('portForward')
      return this.#connections.run(aborted, (signal) =>
        streams.portForward(container, init, request, { signal }),
      )
    })
  }

  /** A client that never ends would keep its connection, and with it the network namespace, beyond the container. */
  disconnect(reason: OciError): void {
    this.#connections.abort(reason)
  }

  /** A verb that has to be done soon. */
  async #limited<T>(
    verb: SideVerb,
    limitMs: number,
    effect: (options: EffectOptions) => Promise<T>,
  ): Promise<T> {
    return this.#named(verb, () => {
      const { container, clock } = this.#scope
      const timedOut = (): OciError => sideTimeoutError(container.id, verb, limitMs)
      return withLimit({ clock, limitMs, timedOut }, (signal) => effect({ signal, timeoutMs: limitMs }))
    })
  }

  /** A command, whose caller is told of an abort at once: what was begun is ended without him. */
  #abortable<T>(verb: 'execSync' | 'startExec', signal: AbortSignal, begin: () => Promise<T>): Promise<T> {
    const waiter = { containerId: this.#scope.container.id, operation: operationOf(verb) }
    return withAbort(this.#named(verb, begin), signal, waiter, abortedCommand)
  }

  /** Begins once somebody knows the phase. Its errors name the container and the public verb, however deep they come from. */
  async #named<T>(verb: SideVerb, begin: () => Promise<T>): Promise<T> {
    try {
      await this.#scope.answering()
      return await begin()
    } catch (error) {
      const operation = operationOf(verb)
      const failure = toOciError(error, 'ERR_RUNTIME_FAILED')
      // One that has the name may be more than its code: an ExecSyncError.
      if (failure.operation === operation) throw failure
      throw inContext(failure, { containerId: this.#scope.container.id, operation })
    }
  }

  #assertLive(verb: SideVerb): void {
    if (!this.#scope.isLive) throw this.#scope.wrongStatus(verb)
  }

  #assertPermitsExec(verb: SideVerb): void {
    if (!permitsExec.has(this.#scope.phase)) throw this.#scope.wrongStatus(verb)
  }

  #unsupported(operation: ContainerOperation): OciError {
    return unsupportedError(this.#scope.container.id, operation)
  }
}
