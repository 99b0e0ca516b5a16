/**
 * One container's actor: its machine, run against the world. The only writer of the container's state.
 *
 * Order of a step: what the machine emitted is held until its new state is visible, then published; the state is put on
 * its way to the disk; replies of success wait until it is there.
 */
import { timestampOf, type Clock } from '../surroundings/clock.ts'
import type {
  Container,
  ContainerPhase,
  ContainerState,
  ContainerView,
  ExecInfo,
  ExitStatus,
  Timestamp,
} from '../container.ts'
import { toOciError, type ContainerOperation, type OciError } from '../errors/index.ts'
import { processState, schedulingState } from '../impl/process-identity.ts'
import type { Created, ExitFact, ProcessIdentity, RuntimeImpl } from '../impl/runtime-impl.ts'
import type { Logger } from '../surroundings/logger.ts'
import type { ContainerFact, ContainerMachineEmitted, LifecycleEvent, Verb } from '../machines/events.ts'
import type { ExitReport } from '../machines/context.ts'
import type { ContainerLimits } from '../machines/delays.ts'
import { phaseOf, statusOf } from '../machines/phase.ts'
import {
  deletedError,
  neverRanError,
  operationOf,
  overError,
  toldOf,
  wrongStatusError,
  type SideVerb,
} from './actor-errors.ts'
import type { ActorWorld, Command, ContainerActorOptions, ExecChange } from './actor-world.ts'
import { ContainerDisk } from './container-disk.ts'
import { containerStateOf, stateRecordOf, type ContainerFacts } from './container-view.ts'
import type { EffectScope } from './effects.ts'
import { LivingMachine } from './living-machine.ts'
import { isFrozen, look, Looks, type LookScope } from './look.ts'
import { ProcessWatch } from './process-watch.ts'
import { successionOf, witnessOf, type Succession } from './rebuild.ts'
import { Requests } from './requests.ts'
import { RunningEffects } from './running-effects.ts'
import { SideVerbs, type SideScope } from './side-verbs.ts'
import type { MachineObserver, MachineSnapshot } from './start-actor.ts'
import { buryContainer } from './tombstone.ts'
import { Waiters } from './waiters.ts'
import { waitingForOf } from './waiting-for.ts'

/** What the container ended with is known and recorded, or it never ran. */
const isOver: ReadonlySet<ContainerPhase> = new Set(['failed', 'stopped', 'deleting', 'deleted'])
const isStopping = (phase: ContainerPhase): boolean => phase.startsWith('stopping.')

export class ContainerActor implements ContainerView, EffectScope, LookScope, SideScope {
  readonly container: Container
  readonly impl: RuntimeImpl
  readonly effects = new RunningEffects()
  /** The verbs beside its life. */
  readonly side: SideVerbs
  readonly #world: ActorWorld
  readonly #options: ContainerActorOptions
  readonly #facts: ContainerFacts
  readonly #machine: LivingMachine
  readonly #disk: ContainerDisk
  readonly #watch: ProcessWatch
  readonly #requests = new Requests()
  readonly #waiters: Waiters
  readonly #looks = new Looks(() => look(this))
  #phase: ContainerPhase = 'registered'
  /** On the monotonic clock. */
  #phaseSinceMs: number
  #since: Timestamp
  #statusSince: Timestamp
  #phaseCount = 0
  /** Why there is nobody to answer any more: deleted, closed, or dead for good. */
  #over: OciError | undefined

  constructor(world: ActorWorld, options: ContainerActorOptions) {
    const { container, impl, limits, handler, runtimeRoot, record } = options
    const { clock, logger, probe } = world
    this.#world = world
    this.#options = options
    this.container = container
    this.impl = impl
    this.#since = timestampOf(clock)
    this.#statusSince = this.#since
    this.#phaseSinceMs = clock.now()
    this.#waiters = new Waiters(container.id)
    this.side = new SideVerbs(this)
    // A spec is copied at every look, so it is looked at once.
    const ociVersion = record?.state.ociVersion ?? container.spec?.ociVersion ?? '1.0.2'
    const bootId = record === undefined ? world.bootId : record.own.bootId
    this.#facts = { container, ociVersion, handler, runtimeRoot, bootId }
    this.#disk = new ContainerDisk({
      container,
      directory: world.disk,
      exits: impl.exits,
      lanes: world.writeLanes,
      clock,
      logger,
      writeTimeoutMs: limits.recordTimeoutMs,
      onDisk: record,
    })
    this.#watch = new ProcessWatch({
      containerId: container.id,
      probe,
      exits: impl.exits,
      logger,
      init: () => this.init,
      minds: () =>
        this.#over === undefined && !isOver.has(this.#phase) && this.#context.reported === undefined,
      onMonitorLost: () => {
        this.fact({ type: 'monitor.lost', at: timestampOf(clock) })
      },
      onInitGone: () => {
        this.fact({ type: 'process.gone', at: timestampOf(clock) })
      },
    })
    this.#machine = new LivingMachine({
      machine: world.machine,
      id: container.id,
      limits,
      clock,
      stepped: (snapshot, emitted) => {
        this.#stepped(snapshot, emitted)
      },
      asInternal: (error) => toOciError(error, 'ERR_INTERNAL', { containerId: container.id }),
      died: (error, isFinal) => {
        this.#died(error, isFinal)
      },
      succession: (last, error) => successionOf(last, witnessOf(this, error)),
      succeeded: (succession) => {
        this.#succeeded(succession)
      },
    })
  }

  /** Begins. Apart from the constructor, since effects of the first state already look for this actor. */
  start(): void {
    this.container.bindView(this)
    const { adopt } = this.#options
    if (adopt === undefined) {
      this.#machine.start(undefined)
      return
    }
    if (adopt.exit === undefined) this.impl.exits.expect(this.container.id)
    this.#machine.start(adopt)
    if (adopt.monitorLostAt === undefined && this.isLive) {
      this.#watch.monitor({
        monitor: adopt.monitor,
        monitorGone: this.impl.monitorGone?.(this.container),
      })
    }
  }

  // What embedders see.

  get state(): ContainerState {
    const context = this.#context
    const isGivenUp = this.#disk.isBehind && !context.durable
    return containerStateOf(this.#facts, context, this.#phase, !isGivenUp && !this.#disk.refuses)
  }

  get phase(): ContainerPhase {
    return this.#phase
  }

  get since(): Timestamp {
    return this.#since
  }

  /** The same on the monotonic clock: how long that is does not change when somebody sets the wall clock. */
  get sinceMs(): number {
    return this.#phaseSinceMs
  }

  get waitingFor(): string | undefined {
    if (this.#machine.isRebuilding) return 'its state machine, which failed, to be rebuilt'
    const phaseMs = this.clock.now() - this.#phaseSinceMs
    return waitingForOf(this.#phase, phaseMs, () => this.#schedulingState())
  }

  get execs(): readonly ExecInfo[] {
    return this.side.execs
  }

  ownsProcess(): boolean {
    const { init } = this
    if (init === undefined) return false
    return (this.impl.processState?.(init) ?? processState(init)) === 'alive'
  }

  // What the runtime asks.

  /** Sends a command; resolves when it is done and on disk. */
  async request(verb: Verb, command: Command): Promise<void> {
    try {
      if (this.#machine.isRebuilding) await this.#machine.ready()
      const { requestId, settled } = this.#requests.take(verb)
      const isSent = this.#machine.send({ ...command, requestId })
      if (!isSent) this.#requests.fail(requestId, this.#gone)
      await settled
    } catch (error) {
      throw this.#told(error, operationOf(verb))
    }
  }

  /** Tells the machine something about the world. */
  fact(event: ContainerFact): void {
    this.#machine.send(event)
  }

  exited({ code, finished }: ExitFact): void {
    this.fact({ type: 'container.exited', code, finished })
  }

  /** True while there is a process, or may be one. */
  get isLive(): boolean {
    const { value } = this.#machine.snapshot
    return typeof value === 'object' && 'live' in value
  }

  /** Resolves when nothing that comes to an end by itself is under way: no exit, no clean-up, no deletion. */
  async settled(): Promise<void> {
    const ends = new Set<ContainerPhase>(['cleaning', 'exiting', 'deleting'])
    await this.#waiters.until(() => (this.#over !== undefined || !ends.has(this.#phase) ? true : undefined))
  }

  /** True while there is something that a stop would end. */
  get mayRun(): boolean {
    return this.#over === undefined && this.#phase !== 'registered' && !isOver.has(this.#phase)
  }

  /** The machine's state, for the inspector. */
  get snapshot(): MachineSnapshot {
    return this.#machine.snapshot
  }

  /** Has the machine observed, or no longer. */
  observe(observer: MachineObserver | undefined): void {
    this.#machine.observe(observer)
  }

  /** Resolves when no command is in flight; later ones do not count. */
  idle(): Promise<void> {
    return this.#requests.idle()
  }

  /** Looks at the world; resolves once what is seen is applied. */
  async refresh(): Promise<void> {
    try {
      await this.answering()
      await this.#looks.ask()
      await this.#waiters.until(() => {
        if (this.#phase !== 'exiting') return true
        if (this.#over !== undefined) throw this.#over
        return undefined
      })
    } catch (error) {
      throw this.#told(error, 'updateContainerStatus')
    }
  }

  /** How the container ended, once that is recorded. Rejects when it never ran, or nobody will know any more. */
  async exit(signal?: AbortSignal, operation: ContainerOperation = 'waitContainer'): Promise<ExitStatus> {
    try {
      return await this.#waiters.until(() => {
        if (isOver.has(this.#phase)) {
          const { exit, error } = this.#context
          if (exit !== undefined) return exit
          throw error ?? neverRanError(this.container.id)
        }
        if (this.#over !== undefined) throw this.#over
        return undefined
      }, signal)
    } catch (error) {
      throw this.#told(error, operation)
    }
  }

  /** Ends the machine without touching the container. */
  async close(error: OciError): Promise<void> {
    this.#machine.stop()
    this.#finish(error)
    await this.#disk.close()
  }

  #told(error: unknown, operation: ContainerOperation): unknown {
    return toldOf(error, this.container.id, operation)
  }

  // What its effects, looks and side verbs need.

  async answering(): Promise<void> {
    if (this.#machine.isRebuilding) await this.#machine.ready()
    if (this.#over !== undefined) throw this.#over
  }

  wrongStatus(verb: Verb | SideVerb): OciError {
    return wrongStatusError(this.container.id, this.#phase, this.#machine.snapshot, verb)
  }

  publishExec(event: ExecChange): void {
    this.#world.publish(this.container.id, event)
  }

  endExecs(limitMs: number): Promise<boolean> {
    return this.side.endExecs(limitMs)
  }

  get clock(): Clock {
    return this.#world.clock
  }

  get logger(): Logger {
    return this.#world.logger
  }

  get init(): ProcessIdentity | undefined {
    return this.#context.init
  }

  get reported(): ExitReport | undefined {
    return this.#context.reported
  }

  get phaseCount(): number {
    return this.#phaseCount
  }

  get limits(): ContainerLimits {
    return this.#options.limits
  }

  get observeTimeoutMs(): number {
    return this.#options.limits.observeTimeoutMs
  }

  get isUntouched(): boolean {
    return this.#disk.hasNoPlace
  }

  prepare(): Promise<void> {
    // In the middle of the step that leads to creating: that is the state to begin with.
    this.#put(this.#machine.snapshot)
    return this.#disk.prepare()
  }

  created(created: Created): void {
    this.#watch.monitor(created)
  }

  async record(): Promise<void> {
    // In the middle of the step that leads to recording: what is to be recorded is what that step leads to.
    this.#put(this.#machine.snapshot)
    await this.#disk.flush()
  }

  async lookAtFreezer(): Promise<void> {
    try {
      if (!(await isFrozen(this))) return
      this.fact({ type: 'container.observed', status: 'paused', at: timestampOf(this.clock) })
    } catch (error) {
      const fields = { containerId: this.container.id, err: error }
      this.logger.warn(fields, 'whether the container is frozen cannot be seen')
    }
  }

  forget(): Promise<void> {
    return this.#disk.forget()
  }

  // Steps of the machine.

  #stepped(snapshot: MachineSnapshot, emitted: readonly ContainerMachineEmitted[]): void {
    const from = this.#phase
    this.#enter(phaseOf(snapshot.value))
    for (const event of emitted) if (event.type === 'published') this.#publish(event.event)
    this.#put(snapshot)
    if (this.#phase === 'stopped' && from !== 'stopped') this.#disk.exitIsOver()
    for (const event of emitted) if (event.type === 'replied') this.#reply(event)
    this.#waiters.notify()
    if (snapshot.status === 'done') this.#ended()
    else if (this.#phase !== from) this.#attend(this.#phase)
    if (emitted.some((one) => one.type === 'published' && one.event.type === 'monitorLost'))
      this.#monitorLost()
  }

  #enter(phase: ContainerPhase): void {
    const from = this.#phase
    if (phase === from) return
    const nowMs = this.clock.now()
    const inPhaseMs = nowMs - this.#phaseSinceMs
    const now = timestampOf(this.clock)
    // An adopted container has been as it is since before this process.
    this.#since = (from === 'registered' ? this.#sinceOnDisk(phase) : undefined) ?? now
    if (statusOf(phase) !== statusOf(from)) this.#statusSince = this.#since
    this.#phase = phase
    this.#phaseSinceMs = nowMs - Math.max(0, Date.parse(now) - Date.parse(this.#since))
    this.#phaseCount += 1
    this.#world.publish(this.container.id, { type: 'phase', from, to: phase, inPhaseMs })
    if (from === 'deleting' && phase !== 'deleted') this.#disk.keep()
  }

  #sinceOnDisk(phase: ContainerPhase): Timestamp | undefined {
    const status = statusOf(phase)
    const { record } = this.#options
    return status !== undefined && status === record?.state.status ? record.own.since : undefined
  }

  /** Turns to what the new phase needs. Last in the step: what an implementation throws here must lose nothing. */
  #attend(phase: ContainerPhase): void {
    this.impl.exits.urgent(this.container.id, isStopping(phase) || phase === 'exiting')
    if (isOver.has(phase)) this.#leave(overError(this.container.id))
    // A process of the host may end while its monitor is mute; one of another world is that world's to report.
    const mayEndUnseen = this.impl.processState === undefined && this.isLive
    if (isStopping(phase) || mayEndUnseen) this.#watch.init()
  }

  /** Last in the step that told of it, whichever way it came to be known. */
  #monitorLost(): void {
    if (!this.isLive || this.#world.onMonitorLost(this.container) === 'keep') return
    const { clock } = this
    const requestedAt = timestampOf(clock)
    const kill = { type: 'container.stop', timeoutMs: 0, atMs: clock.now(), requestedAt } as const
    this.request('stop', kill).catch((error: unknown) => {
      // The machine goes on killing; whoever waits for the container's end is told of it.
      this.logger.warn(
        { containerId: this.container.id, err: error },
        'a container without monitor was not killed',
      )
    })
  }

  #publish(event: LifecycleEvent): void {
    const seen = event.type === 'stopStuck' ? { ...event, processState: this.#schedulingState() } : event
    this.#world.publish(this.container.id, seen)
  }

  #reply({ requestId, outcome, verb }: Extract<ContainerMachineEmitted, { type: 'replied' }>): void {
    if (outcome.kind === 'failed') this.#requests.fail(requestId, outcome.error)
    else if (outcome.kind === 'refused') this.#requests.fail(requestId, this.wrongStatus(verb))
    else {
      // A disk that refuses or hangs delays nobody for ever: the state says `durable: false`.
      const ready = this.#disk.flush().catch(() => undefined)
      this.#requests.succeed(requestId, ready)
    }
  }

  #put(snapshot: MachineSnapshot): void {
    const phase = phaseOf(snapshot.value)
    // A container that is being deleted is on disk as it was, until it is not there any more.
    if (phase === 'registered' || phase === 'deleting' || phase === 'deleted') return
    const state = containerStateOf(this.#facts, snapshot.context, phase, true)
    // Its own record is next, and nobody is told of the exit before that: a write here would only hold it up. A restart
    // in between finds the exit as we did.
    const isPassing = phase === 'exiting' && snapshot.context.reported !== undefined
    // In the middle of a step its new status is not entered yet.
    const since = statusOf(phase) === statusOf(this.#phase) ? this.#statusSince : timestampOf(this.clock)
    this.#disk.put(stateRecordOf(this.#facts, snapshot.context, state, since), isPassing)
  }

  #schedulingState(): string | undefined {
    const { init } = this
    if (init === undefined) return undefined
    return this.impl.schedulingState === undefined ? schedulingState(init) : this.impl.schedulingState(init)
  }

  // Its end.

  #ended(): void {
    this.#finish(deletedError(this.container.id))
    buryContainer(this, this.#context.error)
    this.#world.ended(this)
  }

  /** A defect. The container is left as it is; whoever waits for a command is told. */
  #died(error: OciError, isFinal: boolean): void {
    const { id: containerId } = this.container
    const fate = isFinal ? 'and is not rebuilt again' : 'and is rebuilt from the world'
    this.logger.error({ containerId, err: error }, `the state machine of a container failed ${fate}`)
    this.#watch.stop()
    this.effects.abort(error)
    this.#world.publish(containerId, { type: 'failed', error })
    if (isFinal) this.#finish(error)
    else this.#requests.rejectAll(error)
  }

  #succeeded({ startIsNews }: Succession): void {
    this.#watch.resume()
    if (this.#context.monitorLostAt !== undefined) this.#watch.init()
    if (startIsNews) this.#publish({ type: 'started' })
  }

  /** Nothing is left to be watched or connected with. */
  #leave(reason: OciError): void {
    this.#watch.stop()
    this.side.disconnect(reason)
  }

  #finish(error: OciError): void {
    this.#over ??= error
    this.#leave(error)
    this.#requests.rejectAll(error)
    this.#waiters.notify()
  }

  get #context(): MachineSnapshot['context'] {
    return this.#machine.snapshot.context
  }

  get #gone(): OciError {
    return this.#over ?? deletedError(this.container.id)
  }
}
