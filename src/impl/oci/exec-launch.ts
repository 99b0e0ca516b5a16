/**
 * One command in a container, from its process spec to its exit, however its output is read: conmon is started by the
 * launcher with FIFOs as its standard streams, and what it leaves on disk says what became of the command.
 *
 * A pid file means that the command ran; without one the runtime's log says why not. An exit file means that its end is
 * known; without one the monitor was killed. Neither depends on the launcher, which may die meanwhile.
 */
import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { readBundleSpec } from '../../bundle/bundle.ts'
import { specJson } from '../../bundle/spec-json.ts'
import type { OciProcess } from '../../bundle/oci-spec.ts'
import type { Container } from '../../container.ts'
import { isOciError } from '../../errors/index.ts'
import { ensurePrivateDirectory, ioError, readTextFile } from '../../files.ts'
import { inSlices } from '../../surroundings/slices.ts'
import type { AttachBridge } from '../attach-bridge/client.ts'
import type { ExecCommand, ExecExit, OnDisconnect } from '../exec-port.ts'
import { within } from '../launcher/deadlines.ts'
import type { AttendedChild, Launcher } from '../launcher/launcher.ts'
import { observeProcess, readIdentity } from '../process-identity.ts'
import { endProcessTree } from '../process-tree.ts'
import { checkExecCommand } from '../requests/exec-command.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import {
  conmonExecArguments,
  execFiles,
  terminalDescriptors,
  terminalEnvironment,
  type ExecFiles,
  type TerminalFifos,
} from './exec-arguments.ts'
import { containerRoot } from '../host/container-root.ts'
import { makeExecCgroup } from './exec-cgroup.ts'
import { endExec } from './exec-end.ts'
import { makeExecMark, markedProcess } from './exec-mark.ts'
import type { ProcessExit } from '../host/exec-errors.ts'
import type { ExecHome } from '../host/exec-home.ts'
import { wordsToRunAhead } from './exec-ahead.ts'
import { execProcess, type Terminal } from '../host/exec-spec.ts'
import { execUser } from '../host/exec-user.ts'
import { searchProcess } from './exec-process.ts'
import { joinMonitorCgroup } from './monitor-cgroup.ts'
import { readPidFile } from './monitor.ts'
import { failedCommand } from '../host/failed-command.ts'
import { notStartedError } from '../host/runtime-command.ts'
import { monitorPath, placeOf, type OciWorld, type Place } from './world.ts'
import { runtimePath } from '../host/programs.ts'

export interface ExecWorld {
  readonly oci: OciWorld
  readonly launcher: Pick<Launcher, 'attend' | 'run'>
  /** For terminals. */
  readonly attachBridge: AttachBridge
  readonly home: ExecHome
}

/** Paths of FIFOs whose other ends are open already. Undefined: /dev/null. */
export interface ExecStdio {
  readonly stdin?: string | undefined
  readonly stdout?: string | undefined
  readonly stderr?: string | undefined
  readonly terminal?: (Terminal & TerminalFifos) | undefined
}

/** `monitorExit`: how conmon ended, where the launcher lived to see it. */
export type ExecOutcome = { readonly monitorExit?: ProcessExit | undefined } & (
  | { readonly kind: 'ended'; readonly exit: ExecExit; readonly pid: number | undefined }
  /** It never ran. `words` are the runtime's. */
  | { readonly kind: 'failed'; readonly words: string }
)

/** What the keeper of commands is told of one that is being started. */
export interface LaunchHooks {
  /** Its monitor runs: from now on there is something that can be ended. */
  readonly onLaunched: (launched: LaunchedExec) => void
}

export interface LaunchedExec {
  readonly id: string
  readonly files: ExecFiles
  /** The conmon command line, for errors. */
  readonly argv: readonly string[]
  /** Settles when the monitor has ended. Never rejects. */
  readonly outcome: Promise<ExecOutcome>
  /** Settles after `outcome`, when nothing is left on disk. Never rejects. */
  readonly cleared: Promise<unknown>
  /** Ends everything that came from the command, then the monitor. True when that was so within the limit. Never rejects. */
  end(limitMs: number): Promise<boolean>
}

const killGraceMs = 1000
const pollMs = 100
const textMaxBytes = 65_536

export async function launchExec(
  world: ExecWorld,
  container: Container,
  command: ExecCommand & { readonly onDisconnect?: OnDisconnect | undefined },
  stdio: ExecStdio,
): Promise<LaunchedExec> {
  checkExecCommand(command)
  const place = await placeOf(world.oci, container)
  const reading = processOf(world.oci, place, command, stdio.terminal)
  // Both have ended before either's failure is thrown: a directory that was made meanwhile is removed, no rejection is lost.
  const [directory] = await Promise.allSettled([world.home.makeDirectory(), reading])
  if (directory.status === 'rejected') throw directory.reason
  const files = execFiles(directory.value, container.id)
  try {
    const preparation = { spec: await reading, stdio, onDisconnect: command.onDisconnect ?? 'kill' }
    return await launchIn(world, place, files, preparation)
  } catch (error) {
    await removeDirectory(files)
    throw error
  }
}

async function processOf(
  world: OciWorld,
  { container, paths }: Place,
  command: ExecCommand,
  terminal: Terminal | undefined,
): Promise<OciProcess> {
  const spec = await readBundleSpec(container)
  const own = { user: { uid: 0, gid: 0 }, cwd: '/', args: [], ...spec.process }
  const notes = await world.notebook.read(container, paths.notesFile)
  const root = containerRoot(paths.bundle, spec.root?.path, notes?.init)
  const user = await execUser(command, own.user, root)
  return inSlices(execProcess(own, command, user, terminal))
}

interface Preparation {
  /** Of the command, as the runtime gets it. */
  readonly spec: OciProcess
  readonly stdio: ExecStdio
  readonly onDisconnect: OnDisconnect
}

async function launchIn(
  { oci, launcher }: ExecWorld,
  place: Place,
  files: ExecFiles,
  { spec, stdio: { terminal, ...streams }, onDisconnect }: Preparation,
): Promise<LaunchedExec> {
  const { container, runtimeRoot } = place
  const id = randomBytes(16).toString('hex')
  const runtime = await runtimePath(oci, place)
  const monitorProgram = await monitorPath(oci, place)
  if (terminal !== undefined) await ensurePrivateDirectory(files.monitorDirectory)
  const cgroup = await makeExecCgroup(oci, place, runtime, id)
  const mark = cgroup === undefined ? await makeExecMark(spec) : undefined
  const sized = terminal?.size !== undefined
  const ahead = sized ? await wordsToRunAhead(oci, launcher, runtime, place.env) : undefined
  const argv = conmonExecArguments(files, {
    execId: id,
    containerId: container.id,
    containerName: container.name,
    monitorPath: monitorProgram,
    runtime: [...(ahead ?? []), runtime],
    runtimeRoot,
    systemdCgroup: oci.config.cgroupManager === 'systemd',
    terminal: terminal !== undefined,
    execOptions: cgroup === undefined ? [] : [cgroup.option],
  })
  const surroundings =
    terminal === undefined
      ? { env: place.env, stdio: streams }
      : {
          env: { ...place.env, ...terminalEnvironment },
          stdio: { ...streams, more: terminalDescriptors(terminal) },
          cwd: files.directory,
        }
  try {
    await writeProcess(files.processFile, await inSlices(specJson(markedProcess(spec, mark))))
    const child = await launcher.attend({ argv, ...surroundings, onOrphan: onDisconnect })
    if ('errno' in child)
      throw notStartedError(child, { containerId: container.id, command: failedCommand(argv) })
    const notes = await oci.notebook.read(container, place.paths.notesFile)
    if (notes?.monitorScope !== undefined)
      await joinMonitorCgroup(notes.monitorCgroups, child.pid, oci.logger)
    const monitor = await readIdentity(child.pid)
    const outcome = outcomeOf(child, monitor, files)
    const cleared = outcome.then(() => Promise.allSettled([removeDirectory(files), cgroup?.remove()]))
    const parts = { containerId: container.id, logger: oci.logger, child, monitor, cleared, cgroup, mark }
    return { id, files, argv, outcome, cleared, end: (limitMs) => endExec(parts, limitMs) }
  } catch (error) {
    await endUncertain(error, files)
    await cgroup?.remove()
    throw error
  }
}

async function writeProcess(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    throw ioError('write', file, error)
  }
}

/** The launcher died while it was starting this: whether there is a monitor is seen by its arguments. */
async function endUncertain(error: unknown, { pidFile }: ExecFiles): Promise<void> {
  if (!isOciError(error) || error.code !== 'ERR_LAUNCHER_LOST') return
  const monitor = await searchProcess('-p', pidFile)
  if (monitor === undefined) return
  await endProcessTree(monitor, killGraceMs)
  await within(gone(monitor), killGraceMs)
}

async function outcomeOf(
  child: AttendedChild,
  monitor: ProcessIdentity | undefined,
  files: ExecFiles,
): Promise<ExecOutcome> {
  try {
    const end = await child.ended
    if ('lost' in end && monitor !== undefined) await gone(monitor)
    if ('lost' in end) return await readOutcome(files, '')
    const { exitCode, signal, stderrTail } = end
    return { ...(await readOutcome(files, stderrTail)), monitorExit: { exitCode, signal } }
  } catch {
    // Whatever the disk or /proc refused: an exec always has an end, and this one's is not known.
    return { kind: 'ended', exit: { kind: 'unknown', why: 'monitor-lost' }, pid: undefined }
  }
}

/** `stderr`: conmon's, where nobody else has it. */
async function readOutcome(files: ExecFiles, stderr: string): Promise<ExecOutcome> {
  const [exitText, pid] = await Promise.all([readText(files.exitFile), readPidFile(files.pidFile)])
  const code = Number(/^(\d{1,3})\n?$/.exec(exitText ?? '')?.[1])
  if (Number.isInteger(code)) return { kind: 'ended', exit: { kind: 'code', code }, pid }
  if (pid !== undefined) return { kind: 'ended', exit: { kind: 'unknown', why: 'monitor-lost' }, pid }
  const words = (await readText(files.logFile)) ?? ''
  return { kind: 'failed', words: words.trim() === '' ? stderr : words }
}

function readText(file: string): Promise<string | undefined> {
  return readTextFile(file, { maxBytes: textMaxBytes, code: 'ERR_STATE_CORRUPT', isPrivate: true })
}

/** Of a process that is nobody's child, only looking tells. The timer keeps no process alive. */
async function gone(identity: ProcessIdentity): Promise<void> {
  while ((await observeProcess(identity)) === 'alive') await delay(pollMs, undefined, { ref: false })
}

async function removeDirectory({ directory }: ExecFiles): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true })
  } catch (error) {
    throw ioError('remove', directory, error)
  }
}
