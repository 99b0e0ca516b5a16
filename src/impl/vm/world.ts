/** What the verbs of RuntimeVM share, and what each needs of one container. */
import { basename } from 'node:path'
import { validateRuntimeHandler } from '../../config/validate-runtime-handler.ts'
import type { Container } from '../../container.ts'
import type { Launcher } from '../launcher/launcher.ts'
import { runtimeEnvironment } from '../host/runtime-environment.ts'
import { searchPath } from '../search-path.ts'
import type { ExecHome } from '../host/exec-home.ts'
import type { OomEvidence } from '../host/oom-evidence.ts'
import { findProgram, runtimePath } from '../host/programs.ts'
import type { HostWorld, RuntimePlace } from '../host/world.ts'
import type { Sampling } from '../sampling.ts'
import type { Provenance } from '../runtime-impl.ts'
import type { Scopes } from '../systemd/scopes.ts'
import type { VmExits } from './exits.ts'
import type { VmNotebook } from './notes.ts'
import { vmPaths, type VmPaths } from './paths.ts'
import { shimNamespace } from './shim/shim-command.ts'
import type { ShimEvents } from './shim/events.ts'
import type { ShimLog } from './shim/shim-log.ts'
import type { Shims } from './shim/shims.ts'
import type { Task } from './task.ts'

export interface VmWorld extends HostWorld {
  readonly launcher: Pick<Launcher, 'run'>
  readonly exits: VmExits
  readonly notebook: VmNotebook
  readonly shims: Shims
  /** Asked only where systemd manages cgroups. */
  readonly scopes: Scopes
  /** Where fresh FIFOs come from. */
  readonly fifos: ExecHome
  /** Where shims report; listening since the first create. */
  events(): Promise<ShimEvents>
  closeEvents(): Promise<void>
  /** The containers whose shims this process is connected to, also those that are just being taken up. */
  readonly tasks: Map<string, Promise<Task>>
  /** Of shims that this process started or took up, by container. */
  readonly shimLogs: Map<string, ShimLog>
  /** Containers of an earlier supervisor. */
  readonly adopted: WeakMap<Container, Provenance>
  /** Ids whose create was refused before it touched anything: what bears the id is not ours to clean up. */
  readonly untouched: Set<string>
  /** Containers that exist through us: past the checks of create, or seen by observe. */
  readonly ours: WeakSet<Container>
  /** Containers whose clean-up has begun and not succeeded: deleting them is cleaning them up. */
  readonly unclean: WeakSet<Container>
  /** Creates under way, by id: `cleanUp` comes when they are cancelled, not when they have ended. */
  readonly creating: Map<string, Promise<unknown>>
  /** When a shim told that a container was out of memory, by id. */
  readonly outOfMemoryMs: Map<string, number>
  /** OOM evidence as it stood when we sent KILL, by id: what was there then did not cause this exit. */
  readonly oomBeforeKill: Map<string, Promise<OomEvidence | undefined>>
  /** What the last sample of each container was. */
  readonly sampling: Sampling
}

/** A container as this implementation sees it. */
export interface VmPlace extends RuntimePlace {
  readonly paths: VmPaths
}

/** The place of a new container, by the configuration. ERR_UNKNOWN_HANDLER. */
export function newPlace(world: VmWorld, container: Container): VmPlace {
  const adopted = world.adopted.get(container)
  const handlerName = adopted?.handler ?? container.runtimeHandler ?? world.config.defaultRuntime
  const known = Object.hasOwn(world.config.runtimes, handlerName)
    ? world.config.runtimes[handlerName]
    : undefined
  // A handler without a path is fine here: it is looked up. The check is for its message.
  const handler = known ?? validateRuntimeHandler(world.config, handlerName)
  const env = runtimeEnvironment(handler.monitorEnv, world.environment)
  const runtimeRoot = adopted?.runtimeRoot ?? handler.runtimeRoot
  return placed(world, { container, handler, handlerName, runtimeRoot, env })
}

/** The place of a container that exists: its runtime root is the one it was created under. */
export async function placeOf(world: VmWorld, container: Container): Promise<VmPlace> {
  const place = newPlace(world, container)
  const notes = await world.notebook.read(container, place.paths.notesFile)
  if (notes === undefined || notes.runtimeRoot === place.runtimeRoot) return place
  return placed(world, { ...place, runtimeRoot: notes.runtimeRoot })
}

function placed(world: VmWorld, place: Omit<VmPlace, 'paths'>): VmPlace {
  const paths = vmPaths(place.container, world.config.runDir, `${place.runtimeRoot}/${shimNamespace}`)
  return { ...place, paths }
}

/** Absolute path of the shim. ERR_RUNTIME_NOT_FOUND when none is configured and none is on PATH. */
export function shimPath(world: VmWorld, place: VmPlace): Promise<string> {
  return runtimePath(world, place)
}

export function isShimOfRunc(shim: string): boolean {
  return /^containerd-shim-runc-v\d+$/.test(basename(shim))
}

/**
 * The OCI runtime that the shim runs; undefined where it runs none, so that the pid of a container is that of its machine.
 * runc's shim takes the runc on PATH when nobody says.
 */
export async function ociRuntimePath(
  world: Pick<VmWorld, 'programs'>,
  { handler, env }: Pick<VmPlace, 'handler' | 'env'>,
  shim: string,
): Promise<string | undefined> {
  if (handler.ociRuntimePath !== undefined) return handler.ociRuntimePath
  if (handler.runtimeConfigPath !== undefined || !isShimOfRunc(shim)) return undefined
  const path = searchPath(env)
  const key = `runc\0${path}`
  const found = world.programs.get(key) ?? findProgram('runc', path)
  world.programs.set(key, found)
  if ((await found) === undefined) world.programs.delete(key)
  return found
}

/** The container for the OCI runtime below the shim; undefined where there is none. */
export async function belowShim(world: VmWorld, place: VmPlace): Promise<RuntimePlace | undefined> {
  const { container, handler, env, runtimeRoot, paths } = place
  const notes = await world.notebook.read(container, paths.notesFile)
  const program =
    notes === undefined
      ? await ociRuntimePath(world, place, await shimPath(world, place))
      : notes.ociRuntimePath
  if (program === undefined) return undefined
  return {
    container,
    handler: { ...handler, runtimePath: program },
    handlerName: basename(program),
    runtimeRoot: `${runtimeRoot}/${shimNamespace}`,
    env,
  }
}
