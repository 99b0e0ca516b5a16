/**
 * Everything about a create that can be known to be wrong before anything is touched. What fails here leaves no trace and
 * harms nobody, above all not a living container of the same id: a second create in the same bundle would take its
 * monitor's socket, FIFOs and pid file away before the runtime refuses.
 */
import { lstat, readlink, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { bundleConfigMaxBytes, readBundleSpec } from '../../bundle/bundle.ts'
import type { Container } from '../../container.ts'
import { errnoOf, OciError, type ErrorCode } from '../../errors/index.ts'
import { ensurePrivateDirectory, ioError } from '../../files.ts'
import type { OciSpec } from '../../bundle/oci-spec.ts'
import { ensureOciDirectories } from './directories.ts'
import { monitorCgroupPath } from './monitor-cgroup.ts'
import { findMonitor } from './monitor.ts'
import { assertProgram } from './programs.ts'
import { monitorPath, newPlace, runtimePath, type OciWorld, type Place } from './world.ts'

export interface Preflight {
  readonly place: Place
  readonly runtimePath: string
  readonly monitorPath: string
  readonly monitorCgroup: string
  readonly spec: OciSpec
  /** False when the log is made by this create, so that a failed one takes it away again. */
  readonly logExists: boolean
}

/** conmon refuses shorter ids when it logs to the journal. */
const journaldIdMinLength = 13

/**
 * Throws ERR_UNSUPPORTED, ERR_UNKNOWN_HANDLER, ERR_INVALID_ARGUMENT with the field, ERR_BUNDLE, ERR_RUNTIME_NOT_FOUND,
 * ERR_CONTAINER_EXISTS, ERR_IO.
 */
export async function preflight(
  world: OciWorld,
  container: Container,
  cgroupParent: string | undefined,
): Promise<Preflight> {
  const { config } = world
  if (config.cgroupManager === 'systemd') {
    const message = 'the cgroup manager systemd is not supported yet; set cgroup_manager to "cgroupfs"'
    throw refusal(container, 'ERR_UNSUPPORTED', message, 'cgroupManager')
  }
  const place = newPlace(world, container)
  const monitorCgroup = monitorCgroupPath(cgroupParent, container.id)
  if (config.logToJournald && container.id.length < journaldIdMinLength) {
    const message = `id ${container.id} must have at least ${journaldIdMinLength} characters when conmon logs to journald`
    throw refusal(container, 'ERR_INVALID_ARGUMENT', message, 'id')
  }
  const spec = await checkBundle(container, place)
  await checkDirectories(world, container)
  const logExists = await checkLogPath(container)
  const programs = {
    runtimePath: await runtimePath(world, place),
    monitorPath: await monitorPath(world, place),
  }
  await refuseExisting(place)
  await assertProgram(programs.runtimePath, 'runtimePath')
  await assertProgram(programs.monitorPath, 'monitorPath')
  return { place, ...programs, monitorCgroup, spec, logExists }
}

/**
 * conmon appends to whatever is there and renames a new file over it when the log is reopened or full: neither must
 * happen to a device, a FIFO (its open would wait for a reader) or the target of a link.
 */
export async function checkLogPath(container: Container): Promise<boolean> {
  const { logPath } = container
  const wrong = (rule: string) =>
    refusal(container, 'ERR_INVALID_ARGUMENT', `log path ${logPath} ${rule}`, 'logPath')
  // conmon takes what is before a colon for the name of a log driver.
  if (logPath.includes(':')) throw wrong('must not contain a colon')
  const directory = await statOrAbsent(dirname(logPath), stat)
  if (directory?.isDirectory() !== true) throw wrong('must be in a directory that exists')
  const log = await statOrAbsent(logPath, lstat)
  if (log !== undefined && !log.isFile()) throw wrong('must be a regular file, not a link or a device')
  return log !== undefined
}

/**
 * The runtime runs the bundle's config.json, whatever `setSpec` was given: that one serves our own decisions, and we never
 * write the file. So it has to be there in either case.
 */
export async function checkBundle(
  container: Container,
  { paths }: { readonly paths: Pick<Place['paths'], 'configFile'> },
): Promise<OciSpec> {
  const spec = await readBundleSpec(container)
  const config = await statOrAbsent(paths.configFile, lstat)
  if (config?.isFile() !== true || config.size > bundleConfigMaxBytes) {
    const message = `${paths.configFile} must be a regular file of at most ${bundleConfigMaxBytes} bytes: it is what the runtime runs, a spec given by setSpec is not written there`
    throw refusal(container, 'ERR_BUNDLE', message, undefined, paths.configFile)
  }
  // conmon would wait for a terminal that never comes, or the runtime for somebody to take its terminal.
  if ((spec.process?.terminal === true) !== container.terminal) {
    const message = `${paths.configFile}: process.terminal must be ${container.terminal}, as the container's terminal is`
    throw refusal(container, 'ERR_BUNDLE', message, 'process.terminal', paths.configFile)
  }
  return spec
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

type Stats = Awaited<ReturnType<typeof lstat>>

async function statOrAbsent(
  path: string,
  look: (path: string) => Promise<Stats>,
): Promise<Stats | undefined> {
  try {
    return await look(path)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
    throw ioError('examine', path, error)
  }
}

function refusal(
  container: Container,
  code: ErrorCode,
  message: string,
  field?: string,
  file?: string,
): OciError {
  return new OciError(code, message, { containerId: container.id, field, file })
}
