/**
 * Create: checks, then conmon, which has the runtime create the container and stays as its monitor.
 *
 * The order is what matters: everything that can be refused is refused before anything is touched (preflight.ts); the
 * monitor is in its cgroup, and the notes that name it are written, before its start byte. So whatever happens from then
 * on, `cleanUp` finds what there is. What goes wrong is left to it: its callers run it after every failure.
 */
import type { Container } from '../../container.ts'
import { type ErrorCode, isOciError, OciError } from '../../errors/index.ts'
import { readRuntimeWords } from '../../errors/runtime-wording.ts'
import { readCgroupPaths } from '../host/cgroups.ts'
import { type MonitorScope, moveToMonitorScope } from '../host/monitor-scope.ts'
import { unlinkIfThere } from '../host/exec-home.ts'
import { hasOwnPidNamespace } from '../host/pid-namespace.ts'
import { removeFile } from '../host/remove-file.ts'
import { failedMonitor } from '../host/failed-command.ts'
import { justBefore, notStartedError } from '../host/runtime-command.ts'
import type { MonitorCreated, MonitorFailure, MonitorOutcome } from '../launcher/launcher.ts'
import { readIdentity, readProcessStat } from '../process-identity.ts'
import type { Created, CreateOptions, ProcessIdentity } from '../runtime-impl.ts'
import { conmonCreateArguments, monitorEnvironment } from './conmon-arguments.ts'
import { removeMadeFiles } from './leftovers.ts'
import { cgroupsToMake, monitorCgroupDirectories, moveToMonitorCgroup } from './monitor-cgroup.ts'
import { placeSyncFifo, watchMonitor } from './monitor-sync.ts'
import { readPidFile } from './monitor.ts'
import type { Notes } from './notes.ts'
import { notedCgroups } from './own-cgroup.ts'
import { preflight, type Preflight } from './preflight.ts'
import type { OciWorld } from './world.ts'

/** Throws what {@link preflight} throws, what the runtime's words mean, ERR_CREATE_FAILED, ERR_MONITOR_FAILED, ERR_TIMEOUT. */
export async function create(
  world: OciWorld,
  container: Container,
  options: CreateOptions,
): Promise<Created> {
  const work = createOnce(world, container, options)
  world.creating.set(container.id, work)
  try {
    return await work
  } finally {
    if (world.creating.get(container.id) === work) world.creating.delete(container.id)
  }
}

async function createOnce(
  world: OciWorld,
  container: Container,
  { cgroupParent, signal, timeoutMs }: CreateOptions,
): Promise<Created> {
  world.untouched.add(container.id)
  const checked = await preflight(world, container, cgroupParent)
  world.untouched.delete(container.id)
  world.ours.add(container)
  world.oomBeforeKill.delete(container.id)
  world.notebook.forget(container.id)
  await removeMadeFiles(checked.place.paths)
  // An exit file of an earlier container with this id would end the new one before it is created.
  await world.exits.discard(container.id)
  world.exits.expect(container.id)
  try {
    return await createWithMonitor(world, checked, signal, timeoutMs)
  } catch (error) {
    if (!checked.logExists) await removeFile(container.logPath)
    throw error
  }
}

async function createWithMonitor(
  world: OciWorld,
  checked: Preflight,
  signal: AbortSignal,
  callerTimeoutMs: number | undefined,
): Promise<Created> {
  const { place } = checked
  const { container, paths, handler } = place
  const mounts = await world.cgroupMounts()
  const notes: Notes = {
    runtimeRoot: place.runtimeRoot,
    ownPidNamespace: hasOwnPidNamespace(checked.spec),
    init: undefined,
    cgroupPaths: {},
    ...(checked.monitorScope === undefined ? await cgroupsToMake(mounts, checked) : {}),
    monitorCgroups: monitorCgroupDirectories(mounts, checked.monitorCgroup),
    monitorScope: checked.monitorScope?.name,
    kernelLogEnd: checked.monitorScope === undefined ? undefined : await world.kernelLog.end(),
  }
  const argv = monitorArguments(world, checked)
  const timeoutMs = callerTimeoutMs ?? handler.containerCreateTimeoutMs
  const [syncFifo = ''] = await world.home.takeFifos(1)
  const command = {
    argv,
    env: monitorEnvironment(place.env, container),
    cwd: paths.bundle,
    timeoutMs: justBefore(timeoutMs),
    syncFifo,
  }
  const beforeStart = async (pid: number) => {
    await world.notebook.write(container, paths.notesFile, notes)
    // Where it is removed with the container, now that there are notes by which it is known to be ours.
    await placeSyncFifo(syncFifo, paths.syncFifo)
    const { monitorScope } = checked
    if (monitorScope !== undefined) await moveToScope(world, checked, notes, monitorScope, pid)
    else await moveToMonitorCgroup(mounts, checked.monitorCgroup, pid, world.logger)
  }
  try {
    const outcome = withoutOwnPid(await world.launcher.spawnMonitor(command, beforeStart, signal))
    if (outcome.kind !== 'created') throw creationError(outcome, argv, container.id, timeoutMs)
    return await handOver(world, checked, notes, outcome)
  } catch (error) {
    // Where it still is if it never came to its place.
    await unlinkIfThere(syncFifo)
    throw error
  }
}

/** A scope that is somebody else's must not be in the notes: clean-up kills what is in it. */
async function moveToScope(
  world: OciWorld,
  { place: { container, paths } }: Preflight,
  notes: Notes,
  scope: MonitorScope,
  pid: number,
): Promise<void> {
  try {
    await moveToMonitorScope(world.scopes, scope, pid, container.id)
  } catch (error) {
    if (isOciError(error) && error.code === 'ERR_CONTAINER_EXISTS') {
      const without: Notes = { ...notes, monitorCgroups: [], monitorScope: undefined }
      await world.notebook.write(container, paths.notesFile, without)
    }
    throw error
  }
}

/** Nobody must ever be led to signal us. The launcher refuses what is no pid at all, but does not know ours. */
function withoutOwnPid(outcome: MonitorOutcome): MonitorOutcome {
  if (outcome.kind !== 'created' || outcome.containerPid !== process.pid) return outcome
  return { kind: 'garbled', text: JSON.stringify({ pid: process.pid }), stderrTail: '' }
}

/** What a pid says is read at once: the container may be killed at any moment, its monitor too. */
async function handOver(
  world: OciWorld,
  { place }: Preflight,
  notes: Notes,
  { containerPid }: MonitorCreated,
): Promise<Created> {
  const { container, paths } = place
  const monitorGone = watchMonitor(world, container)
  const cgroupPaths = await readCgroupPaths(containerPid)
  const init = await initIdentity(containerPid)
  const monitorPid = await readPidFile(paths.monitorPidFile)
  const monitor = monitorPid === undefined ? undefined : await readIdentity(monitorPid)
  const cgroups = await notedCgroups(cgroupPaths, monitorPid)
  try {
    await world.notebook.write(container, paths.notesFile, { ...notes, init, ...cgroups })
  } catch (error) {
    // They help after a restart only. A full disk is no reason to give up a container that stands.
    world.logger.warn({ containerId: container.id, err: error }, 'the notes on a container cannot be written')
  }
  return { init, monitor, monitorGone }
}

/**
 * A container that is dead by now has been created nonetheless. Its identity then is one that nobody has: user processes
 * do not start in the first tick after boot.
 */
async function initIdentity(pid: number): Promise<ProcessIdentity> {
  const stat = await readProcessStat(pid)
  return { pid, startTicks: stat?.startTicks ?? '0' }
}

function monitorArguments(
  world: OciWorld,
  { place, ...programs }: Preflight,
): readonly [string, ...string[]] {
  const { config } = world
  return conmonCreateArguments(place.container, place.paths, {
    monitorPath: programs.monitorPath,
    runtimePath: programs.runtimePath,
    runtimeRoot: place.runtimeRoot,
    containerExitsDir: config.containerExitsDir,
    containerAttachSocketDir: config.containerAttachSocketDir,
    logSizeMaxBytes: config.logSizeMaxBytes,
    logToJournald: config.logToJournald,
    noPivot: config.noPivot,
    systemdCgroup: config.cgroupManager === 'systemd',
  })
}

/** How a create that conmon did not complete failed. */
export function creationError(
  failure: MonitorFailure,
  argv: readonly [string, ...string[]],
  containerId: string,
  timeoutMs: number,
): OciError {
  const details = { containerId, command: failedMonitor(argv, failure) }
  if (failure.kind === 'notStarted') return notStartedError(failure, details)
  const { code, message, field } = verdict(failure, containerId, timeoutMs)
  return new OciError(code, message, { ...details, field })
}

interface Verdict {
  readonly code: ErrorCode
  readonly message: string
  readonly field?: string
}

function verdict(
  failure: Exclude<MonitorFailure, { kind: 'notStarted' }>,
  containerId: string,
  timeoutMs: number,
): Verdict {
  const monitor = `the monitor of container ${containerId}`
  if (failure.kind === 'refused') {
    const { code = 'ERR_CREATE_FAILED', message, ...field } = readRuntimeWords(failure.message)
    return {
      code,
      message: message || `the runtime refused to create container ${containerId} without a word`,
      ...field,
    }
  }
  if (failure.kind === 'timedOut') {
    return {
      code: 'ERR_TIMEOUT',
      message: `container ${containerId} was not created within ${Math.round(timeoutMs)} ms`,
    }
  }
  if (failure.kind === 'exited') {
    const { code, message } = readRuntimeWords(failure.stderrTail)
    const end =
      failure.signal === undefined
        ? `exited with code ${failure.exitCode}`
        : `was killed by ${failure.signal}`
    return {
      code: code === 'ERR_RUNTIME_NOT_FOUND' ? code : 'ERR_MONITOR_FAILED',
      message: `${monitor} ${end}: ${message || 'it said nothing'}`,
    }
  }
  const what =
    failure.kind === 'silent'
      ? 'closed its sync pipe without a word'
      : `said what is no answer: ${JSON.stringify(failure.text)}`
  return { code: 'ERR_MONITOR_FAILED', message: `${monitor} ${what}${said(failure.stderrTail)}` }
}

function said(stderrTail: string): string {
  const { message } = readRuntimeWords(stderrTail)
  return message === '' ? '' : `: ${message}`
}
