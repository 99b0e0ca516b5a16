/**
 * Everything about a create that can be known to be wrong before anything is touched. What fails here leaves no trace and
 * harms nobody, above all not a living container of the same id: a second create in the same bundle would take its
 * monitor's socket, FIFOs and pid file away before the runtime refuses.
 */
import { lstat, readlink } from 'node:fs/promises'
import { sliceCgroup } from '../../config/slice-name.ts'
import type { OciSpec } from '../../bundle/oci-spec.ts'
import type { Container } from '../../container.ts'
import { errnoOf } from '../../errors/index.ts'
import { ensurePrivateDirectory, ioError } from '../../files.ts'
import {
  checkBundle,
  checkCgroupsPath,
  checkLogPath,
  checkUserNamespace,
  refusal,
  statOrAbsent,
} from '../host/bundle-checks.ts'
import { monitorSlice, type MonitorScope } from '../host/monitor-scope.ts'
import { assertProgram, runtimePath } from '../host/programs.ts'
import { checkDelegatedCgroup } from './delegated-cgroup.ts'
import { ensureOciDirectories } from './directories.ts'
import { monitorCgroupDirectories, monitorCgroupPath } from './monitor-cgroup.ts'
import { findMonitor, findMonitorIn } from './monitor.ts'
import { monitorPath, newPlace, type OciWorld, type Place } from './world.ts'

export interface Preflight {
  readonly place: Place
  readonly runtimePath: string
  readonly monitorPath: string
  /** The path of its cgroup, the same in all hierarchies. */
  readonly monitorCgroup: string
  /** Where systemd manages cgroups: the scope that has this cgroup, named as CRI-O does it. */
  readonly monitorScope: MonitorScope | undefined
  readonly spec: OciSpec
  /** False when the log is made by this create, so that a failed one takes it away again. */
  readonly logExists: boolean
}

/** conmon refuses shorter ids when it logs to the journal. */
const journaldIdMinLength = 13

/**
 * Throws ERR_UNSUPPORTED, ERR_UNKNOWN_HANDLER, ERR_INVALID_ARGUMENT with the field, ERR_BUNDLE, ERR_RUNTIME_NOT_FOUND,
 * ERR_CONTAINER_EXISTS, ERR_IO, and ERR_TIMEOUT when systemd does not answer.
 */
export async function preflight(
  world: OciWorld,
  container: Container,
  cgroupParent: string | undefined,
): Promise<Preflight> {
  const { config } = world
  const place = newPlace(world, container)
  const slice = monitorSlice(world, place, cgroupParent)
  const scope = slice === undefined ? undefined : { name: `crio-conmon-${container.id}.scope`, slice }
  const monitorCgroup =
    scope === undefined
      ? monitorCgroupPath(cgroupParent, container.id)
      : `${sliceCgroup(scope.slice)}/${scope.name}`
  if (config.logToJournald && container.id.length < journaldIdMinLength) {
    const message = `id ${container.id} must have at least ${journaldIdMinLength} characters when conmon logs to journald`
    throw refusal(container, 'ERR_INVALID_ARGUMENT', message, 'id')
  }
  const spec = await checkBundle(container, place)
  checkUserNamespace(container, place, spec)
  await checkDelegatedCgroup(container, place, spec, { mounts: await world.cgroupMounts() })
  if (scope !== undefined) checkCgroupsPath(container, place, spec)
  await checkDirectories(world, container)
  const logExists = await checkLogPath(container)
  const programs = {
    runtimePath: await runtimePath(world, place),
    monitorPath: await monitorPath(world, place),
  }
  await refuseExisting(place)
  await refuseForeignMonitor(world, container, monitorCgroup)
  await assertProgram(programs.runtimePath, 'runtimePath')
  await assertProgram(programs.monitorPath, 'monitorPath')
  if (scope !== undefined) await world.scopes.reach()
  return { place, ...programs, monitorCgroup, monitorScope: scope, spec, logExists }
}

/** conmon does not notice a missing exit directory at all, and a missing attach directory makes it end without a word. */
async function checkDirectories({ config }: OciWorld, container: Container): Promise<void> {
  await ensureOciDirectories(config)
  await ensurePrivateDirectory(container.dir, 'dir')
}

async function refuseExisting(place: Place): Promise<void> {
  const { container, handlerName, runtimeRoot, paths } = place
  if ((await statOrAbsent(paths.runtimeState, lstat)) !== undefined) {
    const message = `${handlerName} has a container ${container.id} in ${runtimeRoot} already; delete it or take another id`
    throw refusal(container, 'ERR_CONTAINER_EXISTS', message, 'id', paths.runtimeState)
  }
  const elsewhere = await linkedBundle(paths.attachLink)
  for (const bundle of new Set([paths.bundle, elsewhere ?? paths.bundle])) {
    const monitor = await findMonitor(inBundle(place, bundle))
    if (monitor === undefined) continue
    const message = `the monitor of a container ${container.id} runs in ${bundle} (pid ${monitor.pid}); delete it or take another id`
    throw refusal(container, 'ERR_CONTAINER_EXISTS', message, 'id', bundle)
  }
}

/**
 * Another supervisor's, with directories of its own. If this create failed, its clean-up would kill what is in the group
 * of its monitor.
 */
async function refuseForeignMonitor(
  world: OciWorld,
  container: Container,
  monitorCgroup: string,
): Promise<void> {
  const directories = monitorCgroupDirectories(await world.cgroupMounts(), monitorCgroup)
  const monitor = await findMonitorIn(directories, container.id)
  if (monitor === undefined) return
  const message = `another supervisor has a container ${container.id} (its monitor is pid ${monitor.pid} in the cgroup ${monitorCgroup}); take another id`
  throw refusal(container, 'ERR_CONTAINER_EXISTS', message, 'id')
}

/** Where the attach link of this id points: perhaps to the bundle of a container with another runtime. */
async function linkedBundle(link: string): Promise<string | undefined> {
  try {
    return await readlink(link)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'EINVAL') return undefined
    throw ioError('read link', link, error)
  }
}

function inBundle(place: Place, bundle: string): Place {
  return { ...place, paths: { ...place.paths, bundle, monitorPidFile: `${bundle}/conmon-pidfile` } }
}
