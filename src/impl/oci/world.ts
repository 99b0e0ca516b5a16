/** What the verbs of RuntimeOCI share, and what each needs of one container. */
import type { Socket } from 'node:net'
import type { RuntimeHandler } from '../../config/config.ts'
import { validateRuntimeHandler } from '../../config/validate-runtime-handler.ts'
import type { Container } from '../../container.ts'
import type { ExecHome } from '../host/exec-home.ts'
import type { OomEvidence } from '../host/oom-evidence.ts'
import { lookUp } from '../host/programs.ts'
import { runtimeEnvironment } from '../host/runtime-environment.ts'
import type { HostWorld, RuntimePlace } from '../host/world.ts'
import type { Launcher } from '../launcher/launcher.ts'
import type { ExitSource, Provenance } from '../runtime-impl.ts'
import type { Sampling } from '../sampling.ts'
import type { Scopes } from '../systemd/scopes.ts'
import type { OciNotebook } from './notes.ts'
import { containerPaths, type ContainerPaths } from './paths.ts'

export interface OciWorld extends HostWorld {
  readonly launcher: Pick<Launcher, 'run' | 'spawnMonitor'>
  readonly exits: ExitSource
  readonly notebook: OciNotebook
  /** Asked only where systemd manages cgroups. */
  readonly scopes: Scopes
  /** Ids whose create was refused before it touched anything: what bears the id is not ours to clean up. */
  readonly untouched: Set<string>
  /**
   * Containers that exist through us: past the checks of create, or seen by observe. What bears the id of any other
   * container is somebody else's, unless the notes or a monitor in its bundle say otherwise.
   */
  readonly ours: WeakSet<Container>
  /** Containers that were created before this process began: by whom and where, whatever the configuration says today. */
  readonly adopted: WeakMap<Container, Provenance>
  /** Containers whose clean-up has begun and not succeeded: deleting them is cleaning them up. */
  readonly unclean: WeakSet<Container>
  /** Groups that were made for containers that are deleted, and that others are in. */
  readonly sharedCgroups: Set<string>
  /** Creates under way, by id: `cleanUp` comes when they are cancelled, not when they have ended. */
  readonly creating: Map<string, Promise<unknown>>
  /** FIFOs, and directories for commands. */
  readonly home: ExecHome
  /** By id: the sync pipes of monitors that are watched by them. */
  readonly syncPipes: Map<string, Socket>
  /** Aborted when this implementation is closed: nothing is held from then on. */
  readonly closed: AbortSignal
  /** What the last sample of each container was. */
  readonly sampling: Sampling
  /** OOM evidence as it stood when we sent KILL, by id: what was there then did not cause this exit. */
  readonly oomBeforeKill: Map<string, OomEvidence>
}

/** A container as this implementation sees it. */
export interface Place extends RuntimePlace {
  readonly paths: ContainerPaths
}

/** The place of a new container, by the configuration. ERR_UNKNOWN_HANDLER. */
export function newPlace(world: OciWorld, container: Container): Place {
  const adopted = world.adopted.get(container)
  const handlerName = adopted?.handler ?? container.runtimeHandler ?? world.config.defaultRuntime
  const handler = handlerOf(world, handlerName)
  const runtimeRoot = adopted?.runtimeRoot ?? handler.runtimeRoot
  return {
    container,
    handler,
    handlerName,
    runtimeRoot,
    paths: containerPaths(container, world.config, runtimeRoot),
    env: runtimeEnvironment(handler.monitorEnv, world.environment),
  }
}

/** The place of a container that exists: its runtime root is the one it was created under. */
export async function placeOf(world: OciWorld, container: Container): Promise<Place> {
  const place = newPlace(world, container)
  const notes = await world.notebook.read(container, place.paths.notesFile)
  if (notes === undefined || notes.runtimeRoot === place.runtimeRoot) return place
  const { runtimeRoot } = notes
  return { ...place, runtimeRoot, paths: containerPaths(container, world.config, runtimeRoot) }
}

function handlerOf(world: OciWorld, name: string): RuntimeHandler {
  const handler = Object.hasOwn(world.config.runtimes, name) ? world.config.runtimes[name] : undefined
  // A handler without a path is fine here: it is looked up. The check is for its message.
  return handler ?? validateRuntimeHandler(world.config, name)
}

/** Absolute path of conmon. ERR_RUNTIME_NOT_FOUND when none is configured and none is on PATH. */
export async function monitorPath(
  world: Pick<OciWorld, 'programs'>,
  { handler, env }: Pick<Place, 'handler' | 'env'>,
): Promise<string> {
  return handler.monitorPath ?? (await lookUp(world, 'conmon', 'monitorPath', env))
}
