/**
 * The simulated runtime: the effect port over a world in memory, and the levers by which a test moves that world.
 *
 * Deliberately not here: anything of this host. Nothing is spawned, no file is touched, no root is needed, and nothing
 * is random: the same calls have the same results.
 */
import { systemClock, type Clock } from '../../surroundings/clock.ts'
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import { silentLogger, type Logger } from '../../surroundings/logger.ts'
import type {
  Created,
  CreateOptions,
  EffectOptions,
  ExitSource,
  Observation,
  ProcessIdentity,
  RuntimeImpl,
} from '../runtime-impl.ts'
import type { ContainerSelector, SimulatedEffect, SimulatedFault } from './fault-script.ts'
import { SimulatedCalls, type SimulatedCall } from './simulated-calls.ts'
import { SimulatedExits } from './simulated-exits.ts'
import { checkedProgram, checkExitCode, type SimulatedProgram } from './simulated-program.ts'
import {
  notRunning,
  SimulatedWorld,
  statusOf,
  unknownToRuntime,
  type SimulatedState,
  type WorldEntry,
} from './simulated-world.ts'

export interface SimulatedRuntimeOptions {
  /** Default: real time. Give the same one to `Runtime.open`; a {@link SimulatedClock} makes minutes pass at once. */
  readonly clock?: Clock
  /** Every effect is logged at debug level. */
  readonly logger?: Logger
  /**
   * Whether KILL ends a frozen process at once (cgroup v2, runc), or only once it is thawed (crun on cgroup v1).
   * Default false: what copes with that copes with the other.
   */
  readonly killsFrozen?: boolean
}

/** @internal What survives the restart of a supervisor. */
interface Simulation {
  readonly world: SimulatedWorld
  readonly calls: SimulatedCalls
  readonly containers: Map<string, Container>
}

/**
 * A runtime without containers: processes are programs, time may be simulated, and everything can be made to fail.
 * Registered with `Runtime.open` under a runtime type of your choice, it takes the place of conmon, crun and the kernel.
 *
 * It behaves as they do: KILL exits with 137; a process without a handler ignores TERM; signals to a frozen process wait
 * until it is thawed; an exit is reported by the monitor only, and never once that is dead.
 *
 * @example
 * const clock = new SimulatedClock()
 * const sim = new SimulatedRuntime({ clock })
 * const config = defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } }, stateDir, runDir })
 * const runtime = await Runtime.open(config, { clock, implementations: { sim: () => sim } })
 */
export class SimulatedRuntime implements RuntimeImpl {
  readonly exits: ExitSource
  readonly clock: Clock
  readonly #simulation: Simulation
  readonly #exits: SimulatedExits
  readonly #closing = new AbortController()

  constructor(options?: SimulatedRuntimeOptions)
  /** @internal */
  constructor(options: SimulatedRuntimeOptions | undefined, simulation: Simulation | undefined)
  constructor(options: SimulatedRuntimeOptions = {}, simulation?: Simulation) {
    const { clock = systemClock, logger = silentLogger, killsFrozen = false } = options
    this.#simulation = simulation ?? {
      world: new SimulatedWorld(clock, killsFrozen),
      calls: new SimulatedCalls(clock, logger),
      containers: new Map(),
    }
    this.clock = this.#simulation.world.clock
    this.#exits = new SimulatedExits(this.#simulation.world, (id) => this.#discard(id))
    this.exits = this.#exits
  }

  // What tests do: programs and faults.

  /**
   * What the process of these containers does, from their next `create` on. What it leaves out is derived from the
   * spec's arguments (`docs/testing.md` lists them). The later of two programs for the same container wins.
   * ERR_INVALID_ARGUMENT names the field that is wrong.
   *
   * @example
   * sim.program('job', { runsForMs: 5000, exitCode: 3 })
   * sim.program((container) => container.labels['app'] === 'web', { onTerm: 'ignore' })
   */
  program(containers: ContainerSelector, program: SimulatedProgram): void {
    this.#simulation.world.program(containers, checkedProgram(program))
  }

  /**
   * Makes the next calls of an effect go wrong. Several faults for the same call are used up in the order they were
   * injected. ERR_INVALID_ARGUMENT names the field that is wrong.
   *
   * @example
   * sim.inject('web', { effect: 'create', fault: 'late', delayMs: 300_000 })
   */
  inject(containers: ContainerSelector, fault: SimulatedFault): void {
    this.#simulation.calls.faults.inject(containers, fault)
  }

  /** Forgets the faults that have not been used up. Calls that hang go on hanging. */
  clearFaults(): void {
    this.#simulation.calls.faults.clear()
  }

  // What tests look at.

  /** What is true of a container, whatever its supervisor believes. An id that nobody knows is `absent`. */
  world(id: string): SimulatedState {
    return this.#simulation.world.stateOf(id)
  }

  /** The containers that exist in the world, in the order of their creation: none after everything is deleted. */
  get ids(): readonly string[] {
    return this.#simulation.world.ids
  }

  /** The calls of effects, oldest first; at most the last 10000. */
  get calls(): readonly SimulatedCall[] {
    return this.#simulation.calls.list
  }

  // What tests do to the world behind the supervisor's back. Each throws ERR_NOT_FOUND for an id that does not exist.

  /** The process ends by itself, now, frozen or not. */
  exitNow(id: string, exitCode: number): void {
    checkExitCode('exitCode', exitCode)
    this.#existing(id).process.end({ code: exitCode, oomKilled: false })
  }

  /** The kernel's OOM killer ends the process: 137, and the evidence for it. */
  oomKill(id: string): void {
    this.#existing(id).process.end({ code: 137, oomKilled: true })
  }

  /** Somebody else freezes the container. */
  freezeFromOutside(id: string): void {
    this.#existing(id).process.freeze()
  }

  /** Somebody else thaws the container. */
  thawFromOutside(id: string): void {
    this.#existing(id).process.thaw()
  }

  /** Somebody else deletes the container by force: it is killed, its exit reported, and the runtime knows it no more. */
  deleteFromOutside(id: string): void {
    this.#existing(id)
    this.#simulation.world.remove(id)
  }

  /** The monitor dies. The process goes on; its exit will never be reported. */
  killMonitor(id: string): void {
    this.#existing(id).monitor.end()
  }

  /** The monitor lives on but reports nothing until {@link unmuteMonitor}, as conmon behind a client that does not read. */
  muteMonitor(id: string): void {
    this.#existing(id).monitor.mute()
  }

  /** The monitor reports again, first of all an exit that it has kept to itself. */
  unmuteMonitor(id: string): void {
    this.#existing(id).monitor.unmute()
  }

  /** The process ends and its monitor, though alive, does not report it. */
  killProcessSilently(id: string): void {
    const { monitor, process } = this.#existing(id)
    monitor.mute()
    process.end({ code: 137, oomKilled: false })
  }

  /** Whether this very process of the simulated world lives: init or monitor of a container. */
  processState(identity: ProcessIdentity): 'alive' | 'gone' {
    return this.#simulation.world.isAlive(identity) ? 'alive' : 'gone'
  }

  /** `D` from a KILL on that did not end it, else `S`. */
  schedulingState({ pid, startTicks }: ProcessIdentity): string | undefined {
    return this.#simulation.world.schedulingState({ pid, startTicks })
  }

  /** Read from the freezer, not asked of the runtime: no effect that could fail. */
  isFrozen(container: Container): Promise<boolean | undefined> {
    return Promise.resolve(this.#simulation.world.find(container.id)?.process.frozen)
  }

  /**
   * The same world for the next supervisor, as after a crash or restart: closes this runtime and returns another one.
   * Containers, programs and faults go on; exits that were not discarded are reported again.
   */
  reopen(): SimulatedRuntime {
    this.#shut()
    return new SimulatedRuntime(undefined, this.#simulation)
  }

  // The port.

  create(container: Container, { signal }: CreateOptions): Promise<Created> {
    this.exits.expect(container.id)
    this.#simulation.containers.set(container.id, container)
    return this.#run('create', container, signal, () => {
      const { process, monitor } = this.#simulation.world.create(container)
      return { init: process.identity, monitor: monitor.identity, monitorGone: monitor.gone }
    })
  }

  start(container: Container, { signal }: EffectOptions): Promise<void> {
    return this.#onEntry('start', container, signal, (entry) => this.#simulation.world.start(entry))
  }

  signal(container: Container, init: ProcessIdentity, signal: number, options: EffectOptions): Promise<void> {
    const { world } = this.#simulation
    return this.#run('signal', container, options.signal, () => {
      const entry = world.find(container.id)
      if (entry === undefined) throw notRunning(container.id, 'signal')
      world.signal(entry, init, signal)
    })
  }

  pause(container: Container, { signal }: EffectOptions): Promise<void> {
    return this.#onEntry('pause', container, signal, (entry) => this.#simulation.world.pause(entry))
  }

  resume(container: Container, { signal }: EffectOptions): Promise<void> {
    return this.#onEntry('resume', container, signal, (entry) => this.#simulation.world.resume(entry))
  }

  observe(container: Container, { signal }: EffectOptions): Promise<Observation> {
    return this.#run('observe', container, signal, () => {
      const entry = this.#simulation.world.find(container.id)
      const init = entry?.process.alive === true ? entry.process.identity : undefined
      return { status: statusOf(entry), init }
    })
  }

  oomKilled(container: Container, _exitCode: number, { signal }: EffectOptions): Promise<boolean> {
    return this.#run('oomKilled', container, signal, () => this.world(container.id).oomKilled)
  }

  killRemaining(container: Container, { signal }: EffectOptions): Promise<void> {
    return this.#run('killRemaining', container, signal, () => {
      this.#simulation.world.killRemaining(container.id)
    })
  }

  /** Also gives up what earlier calls for this container have not brought about yet. */
  cleanUp(container: Container, { signal }: EffectOptions): Promise<void> {
    return this.#run('cleanUp', container, signal, () => {
      this.#simulation.calls.cancelLate(container.id)
      this.#simulation.world.remove(container.id)
    })
  }

  delete(container: Container, { signal }: EffectOptions): Promise<void> {
    return this.#run('delete', container, signal, () => {
      this.#simulation.world.delete(container.id)
    })
  }

  /** Faults are chosen by the container as its supervisor describes it today. */
  adopt(container: Container): void {
    this.#simulation.containers.set(container.id, container)
  }

  async close(): Promise<void> {
    this.#shut()
    await Promise.resolve()
  }

  #shut(): void {
    this.#closing.abort()
    this.#exits.close()
  }

  /** An effect on the container that exists now, not on a later one with the same id. */
  #onEntry(
    effect: SimulatedEffect,
    container: Container,
    signal: AbortSignal,
    act: (entry: WorldEntry) => void,
  ): Promise<void> {
    const { world } = this.#simulation
    const entry = world.find(container.id)
    return this.#run(effect, container, signal, () => {
      if (entry === undefined || world.find(container.id) !== entry)
        throw unknownToRuntime(container.id, effect)
      act(entry)
    })
  }

  #run<T>(effect: SimulatedEffect, container: Container, signal: AbortSignal, act: () => T): Promise<T> {
    const closing = this.#closing.signal
    return this.#simulation.calls.run({ effect, id: container.id, container, signal, closing }, act)
  }

  async #discard(id: string): Promise<void> {
    const { calls, containers, world } = this.#simulation
    const [container, closing] = [containers.get(id), this.#closing.signal]
    await calls.run({ effect: 'discard', id, container, signal: undefined, closing }, () => {
      world.discardExit(id)
      if (world.find(id) === undefined) containers.delete(id)
    })
  }

  #existing(id: string): WorldEntry {
    const entry = this.#simulation.world.find(id)
    if (entry !== undefined) return entry
    throw new OciError('ERR_NOT_FOUND', `container ${id} does not exist in the simulated world`, {
      containerId: id,
    })
  }
}
