/**
 * Everything about a create that can be known to be wrong before anything is touched. What fails here leaves no trace and
 * harms nobody, above all not a living container of the same id.
 */
import { lstat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { OciSpec } from '../../bundle/oci-spec.ts'
import { shimNamePattern } from '../../config/constants.ts'
import type { Container } from '../../container.ts'
import { errnoOf } from '../../errors/index.ts'
import { ensurePrivateDirectory, ioError } from '../../files.ts'
import { checkBundle, checkCgroupsPath, checkLogPath, refusal } from '../host/bundle-checks.ts'
import { monitorSlice } from '../host/monitor-scope.ts'
import { assertProgram } from '../host/programs.ts'
import { streamsRoot } from './paths.ts'
import { isShimOfRunc, newPlace, ociRuntimePath, shimPath, type VmPlace, type VmWorld } from './world.ts'

export interface VmPreflight {
  readonly place: VmPlace
  readonly shimPath: string
  /** Undefined where the shim runs no OCI runtime. */
  readonly ociRuntimePath: string | undefined
  /** Where systemd manages cgroups: that of the shim's scope. */
  readonly slice: string | undefined
  readonly spec: OciSpec
  /** False when the log is made by this create, so that a failed one takes it away again. */
  readonly logExists: boolean
}

/**
 * Throws ERR_UNSUPPORTED, ERR_UNKNOWN_HANDLER, ERR_CONFIG, ERR_INVALID_ARGUMENT with the field, ERR_BUNDLE,
 * ERR_RUNTIME_NOT_FOUND, ERR_CONTAINER_EXISTS, ERR_IO, and ERR_TIMEOUT when systemd does not answer.
 */
export async function preflight(
  world: VmWorld,
  container: Container,
  cgroupParent: string | undefined,
): Promise<VmPreflight> {
  const place = newPlace(world, container)
  const slice = monitorSlice(world, place, cgroupParent)
  const spec = await checkBundle(container, place)
  if (slice !== undefined) checkCgroupsPath(container, place, spec)
  for (const [directory, field] of [
    [world.config.containerExitsDir, 'containerExitsDir'],
    [world.config.runDir, 'runDir'],
    [streamsRoot(world.config.runDir), 'runDir'],
    [container.dir, 'dir'],
  ] as const)
    await ensurePrivateDirectory(directory, field)
  if (container.logPath === place.paths.shimLog) {
    const message = `${container.logPath} is where a shim writes its own log; give the container another logPath`
    throw refusal(container, 'ERR_INVALID_ARGUMENT', message, 'logPath')
  }
  const logExists = await checkLogPath(container)
  const shim = await shimPath(world, place)
  if (!shimNamePattern.test(basename(shim))) {
    const message = `${shim} is no shim: a shim's program is called containerd-shim-…`
    throw refusal(container, 'ERR_CONFIG', message, 'runtimePath', shim)
  }
  checkShimUser(container, shim)
  const runtime = await ociRuntimePath(world, place, shim)
  await refuseExisting(place)
  await assertProgram(shim, 'runtimePath')
  if (runtime !== undefined) await assertProgram(runtime, 'ociRuntimePath')
  if (slice !== undefined) await world.scopes.reach()
  return { place, shimPath: shim, ociRuntimePath: runtime, slice, spec, logExists }
}

/** runc's has its socket in /run/containerd/s, a constant of its program, and fails to make it when it is started. */
export function checkShimUser(container: Container, shim: string, userId = process.geteuid?.() ?? 0): void {
  if (userId === 0 || !isShimOfRunc(shim)) return
  const message = `runtime_type must be "oci" where the supervisor is not root: ${shim} makes its socket in /run/containerd/s, which is not user ${userId}'s`
  throw refusal(container, 'ERR_UNSUPPORTED', message, 'runtimeType')
}

/** Also asked by the shim itself, once there is one: what it has stands nowhere else where there is no OCI runtime. */
async function refuseExisting({ container, handlerName, paths }: VmPlace): Promise<void> {
  try {
    await lstat(paths.runtimeState)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return
    throw ioError('examine', paths.runtimeState, error)
  }
  const message = `${handlerName} has a container ${container.id} already; delete it or take another id`
  throw refusal(container, 'ERR_CONTAINER_EXISTS', message, 'id', paths.runtimeState)
}
