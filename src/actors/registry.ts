/**
 * All containers of a runtime: one root actor each, in a Map. Routes exits to them and frees ids.
 *
 * Invariant: nothing here costs more with the number of containers, and no actor's failure reaches another.
 */
import type { Subscription } from 'rxjs'
import type { Clock } from '../surroundings/clock.ts'
import type { Container } from '../container.ts'
import { OciError } from '../errors/index.ts'
import { bootId } from '../impl/process-identity.ts'
import type { RuntimeImpl } from '../impl/runtime-impl.ts'
import type { Logger } from '../surroundings/logger.ts'
import type { StateDirectory } from '../store/state-directory.ts'
import type { ActorWorld, ContainerActorOptions } from './actor-world.ts'
import { ContainerActor } from './container.actor.ts'
import { bindEffects } from './effects.ts'
import { createLanes } from './lanes.ts'
import { createMonitorProbe, type MonitorProbe, type MonitorProbeOptions } from './monitor-probe.ts'

/** fsync is the disk's time, not ours; two keep it busy and leave libuv's threads to the embedder. */
const stateWritesMax = 2

export interface RegistryOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly disk: StateDirectory
  readonly publish: ActorWorld['publish']
  readonly onMonitorLost: ActorWorld['onMonitorLost']
  /** A container left the registry. */
  readonly onEnded: (container: Container) => void
}

interface Connection {
  readonly subscription: Subscription
  readonly probe: MonitorProbe
}

export class Registry {
  readonly #actors = new Map<string, ContainerActor>()
  readonly #world: Omit<ActorWorld, 'probe'>
  readonly #options: RegistryOptions
  readonly #connections = new Map<RuntimeImpl, Connection>()

  constructor(options: RegistryOptions) {
    const { clock, logger, disk, publish, onMonitorLost, onEnded } = options
    this.#options = options
    this.#world = {
      machine: bindEffects((id) => this.#actorOf(id)),
      clock,
      logger,
      disk,
      writeLanes: createLanes(stateWritesMax),
      publish,
      onMonitorLost,
      bootId: bootIdIfKnown(logger),
      ended: (actor) => {
        this.#remove(actor)
        try {
          onEnded(actor.container)
        } catch (error) {
          logger.error({ containerId: actor.container.id, err: error }, 'the container store threw')
        }
      },
    }
  }

  /** Registers a container with an actor of its own. ERR_CONTAINER_EXISTS while its id is taken. */
  register(options: ContainerActorOptions): ContainerActor {
    const { id } = options.container
    const other = this.#actors.get(id)
    if (other !== undefined) {
      const message = `a container with id ${id} exists already and is ${other.phase}; delete it first`
      throw new OciError('ERR_CONTAINER_EXISTS', message, { containerId: id, operation: 'createContainer' })
    }
    const { probe } = this.#connectionTo(options.impl)
    const actor = new ContainerActor({ ...this.#world, probe }, options)
    this.#actors.set(id, actor)
    actor.start()
    return actor
  }

  /** Takes back the registration of a container that nothing has been asked for yet. */
  async unregister(actor: ContainerActor, error: OciError): Promise<void> {
    this.#remove(actor)
    await actor.close(error)
  }

  /** The actor of exactly this container, undefined when it is not (or no longer) registered. */
  find(container: Container): ContainerActor | undefined {
    const actor = this.#actors.get(container.id)
    return actor?.container === container ? actor : undefined
  }

  /** Whether the id is taken. */
  has(id: string): boolean {
    return this.#actors.has(id)
  }

  /** The actor of whatever container has this id now. */
  get(id: string): ContainerActor | undefined {
    return this.#actors.get(id)
  }

  get actors(): readonly ContainerActor[] {
    return [...this.#actors.values()]
  }

  /** Ends all actors; their containers go on. */
  async close(reason: OciError): Promise<void> {
    for (const { subscription, probe } of this.#connections.values()) {
      subscription.unsubscribe()
      probe.close()
    }
    await Promise.all(this.actors.map((actor) => actor.close(reason)))
  }

  #remove(actor: ContainerActor): void {
    this.#actors.delete(actor.container.id)
  }

  #actorOf(id: string): ContainerActor {
    const actor = this.#actors.get(id)
    if (actor !== undefined) return actor
    throw new OciError('ERR_INTERNAL', `an effect was asked for container ${id}, which has no actor`, {
      containerId: id,
    })
  }

  /** One subscription and one probe per implementation, however many containers it has. */
  #connectionTo(impl: RuntimeImpl): Connection {
    const known = this.#connections.get(impl)
    if (known !== undefined) return known
    const { clock, logger } = this.#options
    const subscription = impl.exits.exits$.subscribe({
      next: (fact) => {
        // What a subscriber throws, RxJS throws at the embedder's process.
        try {
          this.#actors.get(fact.id)?.exited(fact)
        } catch (error) {
          logger.error({ err: error, fact }, 'an exit could not be delivered')
        }
      },
      error: (error: unknown) => {
        logger.error({ err: error }, 'the stream of exits failed; exits are found by asking only')
      },
    })
    const connection = { subscription, probe: createMonitorProbe({ clock, logger, ...processesOf(impl) }) }
    this.#connections.set(impl, connection)
    return connection
  }
}

/** Start times of another boot say nothing; where there is no /proc, as on a laptop, nothing is said at all. */
function bootIdIfKnown(logger: Logger): string | undefined {
  try {
    return bootId()
  } catch (error) {
    logger.warn(
      { err: error },
      'the boot id cannot be read: no process survives a restart of this supervisor',
    )
    return undefined
  }
}

/** How an implementation's processes are looked at, where they are not the host's. */
function processesOf(impl: RuntimeImpl): Pick<MonitorProbeOptions, 'observe' | 'exists'> {
  if (impl.processState === undefined) return {}
  const state = impl.processState.bind(impl)
  return { observe: (identity) => Promise.resolve(state(identity)), exists: () => true }
}
