/**
 * The simulated runtime: the effect port over a world in memory.
 *
 * Deliberately not here: anything of this host. Nothing is spawned, no file is touched, no root is needed, and nothing
 * is random: the same calls have the same results. What a test does with the world is in `simulated-stage.ts`; commands,
 * clients, ports and samples have files of their own.
 */
import { systemClock, type Clock } from '../../surroundings/clock.ts'
import type { OciLinuxResources } from '../../bundle/oci-spec.ts'
import type { Container } from '../../container.ts'
import { checkOptionsObject, OciError } from '../../errors/index.ts'
import { silentLogger, type Logger } from '../../surroundings/logger.ts'
import type {
  AttachOptions,
  AttachSession,
  ContainerStats,
  Created,
  CreateOptions,
  EffectOptions,
  ExecPort,
  ExitSource,
  Observation,
  ProcessIdentity,
  RuntimeImpl,
} from '../runtime-impl.ts'
import { Sampling } from '../sampling.ts'
import type { StreamEffects } from '../streams-port.ts'
import type { SimulatedEffect } from './fault-script.ts'
import { notRunning, unknownToRuntime } from './refusals.ts'
import { attach } from './simulated-attach.ts'
import { SimulatedCalls } from './simulated-calls.ts'
import type { SimulatedContainer } from './simulated-container.ts'
import { SimulatedExecs } from './simulated-execs.ts'
import { SimulatedExits } from './simulated-exits.ts'
import { stats, update } from './simulated-measures.ts'
import { SimulatedScript } from './simulated-script.ts'
import { SimulatedStage, type Simulation } from './simulated-stage.ts'
import { simulatedStreams } from './simulated-streams.ts'
import { SimulatedWorld, statusOf } from './simulated-world.ts'
import type { Supervision } from './supervision.ts'

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
export class SimulatedRuntime extends SimulatedStage implements RuntimeImpl {
  readonly exits: ExitSource
  readonly execs: ExecPort
  readonly streams: StreamEffects
  readonly clock: Clock
  readonly #exits: SimulatedExits
  readonly #execs: SimulatedExecs
  readonly #supervision: Supervision
  readonly #sampling = new Sampling()
  readonly #closing = new AbortController()

  constructor(options?: SimulatedRuntimeOptions)
  /** @internal */
  constructor(options: SimulatedRuntimeOptions | undefined, simulation: Simulation | undefined)
  constructor(options: SimulatedRuntimeOptions = {}, simulation: Simulation = newSimulation(options)) {
    super(simulation)
    const { world, script, logger } = simulation
    const { clock } = world
    this.clock = clock
    this.#exits = new SimulatedExits(world, (id) => this.#discard(id))
    this.exits = this.#exits
    const closing = this.#closing.signal
    this.#supervision = {
      script,
      clock,
      logger,
      closing,
      existing: ({ id }) => {
        const found = world.find(id)
        return () => (world.find(id) === found ? found : undefined)
      },
      run: (effect, container, signal, act) =>
        simulation.calls.run({ effect, id: container.id, container, signal, closing }, act),
    }
    this.#execs = new SimulatedExecs(this.#supervision)
    this.execs = this.#execs
    this.streams = simulatedStreams(this.#supervision)
  }

  /** Whether this very process of the simulated world lives: init or monitor of a container. */
  processState(identity: ProcessIdentity): 'alive' | 'gone' {
    return this.simulation.world.isAlive(identity) ? 'alive' : 'gone'
  }

  /** `D` from a KILL on that did not end it, else `S`. */
  schedulingState({ pid, startTicks }: ProcessIdentity): string | undefined {
    return this.simulation.world.schedulingState({ pid, startTicks })
  }

  /** Read from the freezer, not asked of the runtime: no effect that could fail. */
  isFrozen(container: Container): Promise<boolean | undefined> {
    return Promise.resolve(this.simulation.world.find(container.id)?.process.frozen)
  }

  /** Seen in the world, not asked of the runtime, as {@link isFrozen}. */
  isStarted(container: Container): Promise<boolean | undefined> {
    return Promise.resolve(this.simulation.world.find(container.id)?.process.started)
  }

  /**
   * The same world for the next supervisor, as after a crash or restart: closes this runtime and returns another one.
   * Containers, programs and faults go on; exits that were not discarded are reported again.
   */
  reopen(): SimulatedRuntime {
    this.#shut()
    return new SimulatedRuntime(undefined, this.simulation)
  }

  // The port.

  create(container: Container, { signal }: CreateOptions): Promise<Created> {
    this.exits.expect(container.id)
    this.simulation.containers.set(container.id, container)
    return this.#run('create', container, signal, () => {
      const { process, monitor } = this.simulation.world.create(container)
      return { init: process.identity, monitor: monitor.identity, monitorGone: monitor.gone }
    })
  }

  start(container: Container, { signal }: EffectOptions): Promise<void> {
    return this.#onEntry('start', container, signal, (found) => this.simulation.world.start(found))
  }

  signal(container: Container, init: ProcessIdentity, signal: number, options: EffectOptions): Promise<void> {
    const { world } = this.simulation
    return this.#run('signal', container, options.signal, () => {
      const found = world.find(container.id)
      if (found === undefined) throw notRunning(container.id)
      world.signal(found, init, signal)
    })
  }

  pause(container: Container, { signal }: EffectOptions): Promise<void> {
    return this.#onEntry('pause', container, signal, (found) => this.simulation.world.pause(found))
  }

  resume(container: Container, { signal }: EffectOptions): Promise<void> {
    return this.#onEntry('resume', container, signal, (found) => this.simulation.world.resume(found))
  }

  observe(container: Container, { signal }: EffectOptions): Promise<Observation> {
    return this.#run('observe', container, signal, () => {
      const found = this.simulation.world.find(container.id)
      const init = found?.process.alive === true ? found.process.identity : undefined
      return { status: statusOf(found), init }
    })
  }

  oomKilled(container: Container, _exitCode: number, { signal }: EffectOptions): Promise<boolean> {
    return this.#run('oomKilled', container, signal, () => this.world(container.id).oomKilled)
  }

  killRemaining(container: Container, { signal }: EffectOptions): Promise<void> {
    return this.#run('killRemaining', container, signal, () => {
      this.simulation.world.killRemaining(container.id)
    })
  }

  update(container: Container, resources: OciLinuxResources, options: EffectOptions): Promise<void> {
    return update(this.#supervision, container, resources, options)
  }

  stats(container: Container, options: EffectOptions): Promise<ContainerStats> {
    return stats(this.#supervision, this.#sampling, container, options)
  }

  attach(container: Container, request: AttachOptions, options: EffectOptions): Promise<AttachSession> {
    return attach(this.#supervision, container, request, options)
  }

  /** Also gives up what earlier calls for this container have not brought about yet. */
  cleanUp(container: Container, { signal }: EffectOptions): Promise<void> {
    return this.#run('cleanUp', container, signal, () => {
      this.simulation.calls.cancelLate(container.id)
      this.simulation.world.remove(container.id)
      this.#sampling.forget(container.id)
    })
  }

  delete(container: Container, { signal }: EffectOptions): Promise<void> {
    return this.#run('delete', container, signal, () => {
      this.simulation.world.delete(container.id)
      this.#sampling.forget(container.id)
    })
  }

  /** Faults are chosen by the container as its supervisor describes it today. */
  adopt(container: Container): void {
    this.simulation.containers.set(container.id, container)
  }

  /** There are no files; and commands of earlier supervisors, which nobody listens to, are ended. */
  async tidy(): Promise<void> {
    for (const exec of this.simulation.world.execs) if (!this.#execs.owns(exec)) exec.kill()
    await Promise.resolve()
  }

  async close(): Promise<void> {
    this.#shut()
    await Promise.resolve()
  }

  #shut(): void {
    this.#closing.abort()
    this.#execs.disconnect()
    this.#exits.close()
  }

  /** An effect on the container that exists now, not on a later one with the same id. */
  #onEntry(
    effect: SimulatedEffect,
    container: Container,
    signal: AbortSignal,
    act: (found: SimulatedContainer) => void,
  ): Promise<void> {
    const existing = this.#supervision.existing(container)
    return this.#run(effect, container, signal, () => {
      const found = existing()
      if (found === undefined) throw unknownToRuntime(container.id)
      act(found)
    })
  }

  #run<T>(effect: SimulatedEffect, container: Container, signal: AbortSignal, act: () => T): Promise<T> {
    return this.#supervision.run(effect, container, signal, act)
  }

  async #discard(id: string): Promise<void> {
    const { calls, containers, world } = this.simulation
    const [container, closing] = [containers.get(id), this.#closing.signal]
    await calls.run({ effect: 'discard', id, container, signal: undefined, closing }, () => {
      world.discardExit(id)
      if (world.find(id) === undefined) containers.delete(id)
    })
  }
}

function newSimulation(options: SimulatedRuntimeOptions): Simulation {
  checkOptionsObject(options, undefined)
  const { clock = systemClock, logger = silentLogger, killsFrozen = false } = options
  for (const [field, part, method] of [
    ['clock', clock, 'setTimeout'],
    ['logger', logger, 'debug'],
  ] as const) {
    if (typeof Reflect.get(Object(part), method) === 'function') continue
    throw new OciError('ERR_INVALID_ARGUMENT', `${field} must have the method ${method}`, { field })
  }
  const script = new SimulatedScript()
  const world = new SimulatedWorld(clock, killsFrozen, script)
  return { world, script, logger, calls: new SimulatedCalls(clock, logger), containers: new Map() }
}
