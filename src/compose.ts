/**
 * Puts a runtime together from its parts: state directory, launcher, exit stream, implementations, registry, events.
 * Parts that no configured handler needs are not opened: a runtime of simulated containers touches no file and spawns
 * nothing.
 */
import { containedPolicy, type MonitorPolicyOf } from './actors/monitor-policy.ts'
import { Registry } from './actors/registry.ts'
import { openExitEvents } from './actors/exit-events.ts'
import { shareOfExits } from './actors/exit-share.ts'
import { systemClock, type Clock } from './surroundings/clock.ts'
import { runtimeTypeOci, runtimeTypeVm, type Config } from './config/index.ts'
import type { Container } from './container.ts'
import { errnoOf, OciError, toOciError, type Operation } from './errors/index.ts'
import { openLauncher, type Launcher } from './impl/launcher/launcher.ts'
import { lockStateDirectory, type StateLock } from './impl/launcher/state-lock.ts'
import { ensureOciDirectories } from './impl/oci/directories.ts'
import { holdReserveDescriptor } from './impl/process-identity.ts'
import { createRuntimeOci } from './impl/oci/runtime-oci.ts'
import type { ExitSource, RuntimeImpl } from './impl/runtime-impl.ts'
import { createRuntimeVm } from './impl/vm/runtime-vm.ts'
import { containedLogger, silentLogger, type Logger } from './surroundings/logger.ts'
import { createEventLog, type EventLog } from './observe/events.ts'
import { logTransitions } from './observe/transition-log.ts'
import type { ContainerStore } from './store/container-store.ts'
import { MemoryStore } from './store/memory-store.ts'
import { attachBridgeBeside } from './impl/own-program.ts'
import { openStateDirectory, type StateDirectory, type Survivors } from './store/state-directory.ts'
import type { ContainerLimits } from './machines/delays.ts'

/** Makes the implementation of a runtime type. Called once, when the runtime opens. */
export type ImplementationFactory = (context: {
  readonly config: Config
  readonly logger: Logger
  readonly clock: Clock
}) => RuntimeImpl | Promise<RuntimeImpl>

export interface RuntimeOptions {
  /** A pino logger, or anything with its four methods. Default: silence. */
  readonly logger?: Logger
  /** Where containers are listed. Default: a {@link MemoryStore}. */
  readonly store?: ContainerStore
  readonly clock?: Clock
  /** Implementations by runtime type, beside `oci` and `vm`: an embedder's own, or the simulated one of `/testing`. */
  readonly implementations?: Readonly<Record<string, ImplementationFactory>>
  /**
   * The Node binary that runs the launcher. Default: the one that runs this process. In a single executable application and
   * in Electron that is the application, so there it has to be named, or `open` fails with ERR_INVALID_ARGUMENT.
   */
  readonly nodePath?: string
  /**
   * The launcher's script, for embedders that bundle this library: what `oci-supervisor/launcher` resolves to. Without it
   * a bundled library fails to open with ERR_INVALID_ARGUMENT.
   */
  readonly launcherPath?: string
  /**
   * The script of the helper for attaching and for commands with a terminal: what `oci-supervisor/attach-bridge` resolves
   * to. Default: that of the package that `launcherPath` points into.
   */
  readonly attachBridgePath?: string
  /** Where states are kept. Default: the configuration's `stateDir`. */
  readonly stateDirectory?: StateDirectory
  /** Decides what becomes of a container whose monitor has died. Default: it is kept. */
  readonly onMonitorLost?: MonitorPolicyOf
  /** Times within which effects must be done; see {@link ContainerLimits}. */
  readonly limits?: Partial<ContainerLimits>
  /**
   * Whether `open` takes up the containers of an earlier supervisor before it resolves. Default true. With false they stay
   * as they are until `recover` is called, and their ids are not free.
   */
  readonly recover?: boolean
}

/** The parts of an open runtime. */
export interface Parts {
  readonly config: Config
  readonly clock: Clock
  readonly logger: Logger
  readonly store: ContainerStore
  readonly events: EventLog
  readonly registry: Registry
  /** Containers of an earlier supervisor. */
  readonly survivors: Survivors | undefined
  readonly limits: Partial<ContainerLimits>
  readonly implementations: readonly RuntimeImpl[]
  implementation(type: string): RuntimeImpl
  /** Closes the parts in the reverse order of their making. */
  close(error: OciError): Promise<void>
}

/** Opens all parts, or none: what was opened before a failure is closed again. */
export async function composeRuntime(config: Config, options: RuntimeOptions): Promise<Parts> {
  const { clock = systemClock, store = new MemoryStore() } = options
  const logger = containedLogger(options.logger ?? silentLogger)
  for (const warning of config.warnings) logger.warn({ key: warning.key }, warning.message)
  const closers: (() => Promise<void>)[] = []
  const closeAll = (): Promise<void> => closeInTurn(closers.splice(0).toReversed(), logger)
  try {
    const lock = await lockIfOnDisk({ config, options, logger, closers })
    const directory = options.stateDirectory ?? (await openStateDirectory(config.stateDir, config))
    const implementations = await openImplementations({ config, options, logger, clock, closers, lock })
    const events = createEventLog({ clock, logger })
    closers.push(async () => events.close())
    const registry = new Registry({
      clock,
      logger,
      disk: directory,
      publish: (containerId, event) => {
        logTransitions(logger, containerId, event)
        events.publish(containerId, event)
      },
      onMonitorLost: containedPolicy(options.onMonitorLost, logger),
      onEnded: (container: Container) => {
        if (store.get(container.id) === container) store.delete(container.id)
      },
    })
    return {
      config,
      clock,
      logger,
      store,
      events,
      registry,
      survivors: directory.survivors,
      limits: options.limits ?? {},
      implementations: [...implementations.values()],
      implementation: (type) => knownImplementation(implementations, type),
      close: async (error) => {
        await registry.close(error)
        await closeAll()
      },
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

/** Closes all of them, whatever one of them throws: what is left open would keep fds, and a child process. */
async function closeInTurn(closers: readonly (() => Promise<void>)[], logger: Logger): Promise<void> {
  for (const close of closers) {
    try {
      await close()
    } catch (error) {
      logger.error({ err: error }, 'a part of the runtime could not be closed')
    }
  }
}

interface Opening {
  readonly config: Config
  readonly options: RuntimeOptions
  readonly logger: Logger
  readonly clock: Clock
  readonly closers: (() => Promise<void>)[]
  readonly lock: StateLock | undefined
}

/** First of all: whoever holds the directory is at work in the others as well. */
async function lockIfOnDisk({
  config: { stateDir },
  options,
  logger,
  closers,
}: Pick<Opening, 'config' | 'options' | 'logger' | 'closers'>): Promise<StateLock | undefined> {
  // An embedder's own directory is his to lock.
  if (options.stateDirectory !== undefined) return undefined
  if (process.platform !== 'linux') {
    logger.warn({ stateDir }, 'the state directory is not locked: that needs Linux, as real containers do')
    return undefined
  }
  const lock = await lockStateDirectory(stateDir)
  closers.push(() => lock.release())
  return lock
}

async function openImplementations(opening: Opening): Promise<Map<string, RuntimeImpl>> {
  const { config, options, logger, clock, closers } = opening
  const types = new Set(Object.values(config.runtimes).map((handler) => handler.runtimeType))
  const implementations = new Map<string, RuntimeImpl>()
  const shared = new SharedParts(opening)
  for (const type of types) {
    const factory = givenFactory(options, type) ?? ownFactory(type, shared)
    if (factory === undefined) {
      if (config.runtimes[config.defaultRuntime]?.runtimeType !== type) continue
      throw unknownType(type, 'open', config.defaultRuntime)
    }
    const implementation = await madeBy(factory, { config, logger, clock })
    closers.push(() => implementation.close())
    implementations.set(type, implementation)
  }
  return implementations
}

/** What an embedder's own factory throws is no defect of ours. */
async function madeBy(
  factory: ImplementationFactory,
  context: Parameters<ImplementationFactory>[0],
): Promise<RuntimeImpl> {
  try {
    return await factory(context)
  } catch (error) {
    if (errnoOf(error) !== undefined) throw error
    throw toOciError(error, 'ERR_RUNTIME_FAILED', { operation: 'open' })
  }
}

function givenFactory(
  { implementations = {} }: RuntimeOptions,
  type: string,
): ImplementationFactory | undefined {
  return Object.hasOwn(implementations, type) ? implementations[type] : undefined
}

function ownFactory(type: string, shared: SharedParts): ImplementationFactory | undefined {
  if (type === runtimeTypeOci) {
    return async ({ config, logger }) => {
      const { launcher, exits } = await shared.open()
      return createRuntimeOci({ config, launcher, exits: shareOfExits(exits), logger, ...shared.helpers })
    }
  }
  if (type !== runtimeTypeVm) return undefined
  return async ({ config, logger }) => {
    const { launcher, exits } = await shared.open()
    return createRuntimeVm({ config, launcher, exits: shareOfExits(exits), logger })
  }
}

/** Monitors and shims make themselves children of process 1, and Node waits for none but its own. */
function warnWithoutInit(logger: Logger): void {
  if (process.pid !== 1) return
  const remedy = 'run it under an init that reaps, such as tini ("docker run --init")'
  logger.warn({ pid: 1 }, `every container leaves a zombie, since this process is process 1: ${remedy}`)
}

interface HostParts {
  readonly launcher: Launcher
  readonly exits: ExitSource
}

/** What the implementations on this host have in common, opened for the first of them. */
class SharedParts {
  readonly #opening: Opening
  #parts: Promise<HostParts> | undefined

  constructor(opening: Opening) {
    this.#opening = opening
  }

  /** How the attach bridge is run. */
  get helpers(): { nodePath: string | undefined; attachBridgePath: string | undefined } {
    const { nodePath, launcherPath, attachBridgePath } = this.#opening.options
    const beside = launcherPath === undefined ? undefined : attachBridgeBeside(launcherPath)
    return { nodePath, attachBridgePath: attachBridgePath ?? beside }
  }

  open(): Promise<HostParts> {
    this.#parts ??= this.#open()
    return this.#parts
  }

  async #open(): Promise<HostParts> {
    const { config, options, logger, clock, closers, lock } = this.#opening
    const { nodePath, launcherPath } = options
    const releaseReserve = holdReserveDescriptor()
    closers.push(() => Promise.resolve(releaseReserve()))
    warnWithoutInit(logger)
    await ensureOciDirectories(config)
    const exits = await openExitEvents({ directory: config.containerExitsDir, logger, clock })
    closers.push(() => exits.close())
    const launcher = await openLauncher({
      logger,
      heldFd: lock?.fd,
      onStarted: async (identity) => {
        try {
          await lock?.nameLauncher(identity)
        } catch (error) {
          // It ends by itself when we do; only one that is stopped by then keeps a later supervisor out.
          logger.warn({ err: error }, 'the launcher cannot be named in the lock of the state directory')
        }
      },
      ...(nodePath === undefined ? {} : { nodePath }),
      ...(launcherPath === undefined ? {} : { launcherPath }),
    })
    closers.push(() => launcher.close())
    return { launcher, exits }
  }
}

function knownImplementation(implementations: ReadonlyMap<string, RuntimeImpl>, type: string): RuntimeImpl {
  const implementation = implementations.get(type)
  if (implementation !== undefined) return implementation
  throw unknownType(type, 'createContainer')
}

function unknownType(type: string, operation: Operation, handler?: string): OciError {
  const where = handler === undefined ? '' : ` of the default handler "${handler}"`
  const message = `no implementation of runtime type "${type}"${where}: give one in the option implementations`
  return new OciError('ERR_CONFIG', message, { field: 'runtime_type', operation })
}
