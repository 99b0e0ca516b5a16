/**
 * One command in a container, from its process spec to its exit: asked of the shim, started, waited for, and deleted in
 * the shim once its output was read. A shim that is told to delete earlier cuts the output off.
 */
import { readBundleSpec } from '../../bundle/bundle.ts'
import { specJson } from '../../bundle/spec-json.ts'
import type { Container } from '../../container.ts'
import { isOciError, OciError } from '../../errors/index.ts'
import { inSlices } from '../../surroundings/slices.ts'
import type { ExecCommand, ExecExit } from '../exec-port.ts'
import { killProcess, observeProcess, readIdentity } from '../process-identity.ts'
import { endProcessTree } from '../process-tree.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import type { TerminalSize } from '../terminal-size.ts'
import { containerRoot } from '../host/container-root.ts'
import { processEnds } from '../host/process-end.ts'
import { execProcess } from '../host/exec-spec.ts'
import { execUser } from '../host/exec-user.ts'
import { notRun } from '../host/exec-errors.ts'
import { checkExecCommand } from '../requests/exec-command.ts'
import { within } from '../launcher/deadlines.ts'
import { taskOf } from './adopt.ts'
import { makeExecId } from './exec-id.ts'
import { noteExec } from './left-execs.ts'
import { packSpecType } from './messages/any.ts'
import { Task } from './messages/generated/task_pb.ts'
import type { Shim } from './shim/connection.ts'
import { makeExecStreams } from './streams/exec-streams.ts'
import type { ExecPipes, ExecStreams } from './streams/streams.ts'
import { isRpcError, rpcStatus } from './ttrpc/rpc-error.ts'
import { belowShim, placeOf, type VmWorld } from './world.ts'

export interface WantedStreams {
  readonly terminal: boolean
  readonly size?: TerminalSize | undefined
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
}

/** A command that runs. */
export interface VmExec {
  readonly id: string
  readonly pid: number
  readonly pipes: ExecPipes
  /** Settles when it has ended, read or unread; never rejects. */
  readonly exited: Promise<ExecExit>
  /** It has ended, and its output is read until it was quiet for so long: resolves when the streams are closed. Never rejects. */
  finish(quietMs: number): Promise<void>
  /**
   * Nobody has a use for it any more, its output included: removes it from the shim, which waits two seconds for what still
   * holds an output. Never rejects.
   */
  remove(): Promise<void>
  /** Nobody is at our end any more, it goes on. */
  discard(): void
  /** KILL ends what the command has started as well, where that is on this host. False when it has ended already. */
  kill(signal: number): Promise<boolean>
  resize(size: TerminalSize): Promise<void>
}

export interface ExecFailure {
  readonly containerId: string
  readonly operation: 'execSyncContainer' | 'startExec'
  readonly argv: readonly string[]
}

const SIGKILL = 9
const SIGSTOP = 19
const callMs = 10_000
/** For an answer to KILL: after that a process of this host is killed without the shim. */
const killMs = 2000
/** What is not dead by then hangs in the kernel, or is frozen. */
const treeEndMs = 2000
const startMs = 120_000
/** As long as a shim's silence and the end of a tree may take. */
const abandonedEndMs = 10_000
const never = new AbortController().signal

/** Begun is begun: who waits no more for it ends it when it runs. */
export async function runExec(
  world: VmWorld,
  container: Container,
  command: ExecCommand,
  wanted: WantedStreams,
  operation: ExecFailure['operation'],
): Promise<VmExec> {
  checkExecCommand(command)
  const { shim, init } = await taskOf(world, container)
  const isOnHost = (await belowShim(world, await placeOf(world, container))) !== undefined
  const spec = await processText(container, command, wanted, isOnHost ? init : undefined)
  const id = makeExecId()
  const directory = await world.fifos.makeDirectory()
  const streams = await makeExecStreams(
    { logger: world.logger, fifos: world.fifos },
    { ...wanted, containerId: container.id, directory },
    { closeStdin: () => closeStdin(shim, container.id, id) },
  )
  try {
    await noteExec(directory, { id: container.id, execId: id })
    const pid = await startIn(world, shim, { container, id, spec, streams, wanted })
    const root = await hostProcess(world, container, pid)
    return new RunningExec({ world, shim, containerId: container.id, id, pid, root, streams, wanted })
  } catch (error) {
    await streams.close()
    const failed = { containerId: container.id, operation, argv: command.argv, monitorArgv: [] } as const
    if (!isRpcError(error, rpcStatus.unknown, rpcStatus.notFound)) throw error
    const isOver = (await observeProcess(init)) === 'gone'
    throw notRun(error.words, { ...failed, isOver })
  }
}

/** `init`: the container's, where it is a process of this host. */
async function processText(
  container: Container,
  command: ExecCommand,
  { terminal, size }: WantedStreams,
  init: ProcessIdentity | undefined,
): Promise<string> {
  const spec = await readBundleSpec(container)
  const own = { user: { uid: 0, gid: 0 }, cwd: '/', args: [], ...spec.process }
  const user = await execUser(command, own.user, containerRoot(container.bundlePath, spec.root?.path, init))
  const process = await inSlices(execProcess(own, command, user, terminal ? { size } : undefined))
  return inSlices(specJson(process))
}

interface Starting {
  readonly container: Container
  readonly id: string
  /** The process, as JSON. */
  readonly spec: string
  readonly streams: ExecStreams
  readonly wanted: WantedStreams
}

async function startIn(
  world: VmWorld,
  shim: Shim,
  { container, id: execId, spec, streams, wanted }: Starting,
): Promise<number> {
  const process = { id: container.id, execId }
  const request = {
    ...process,
    terminal: wanted.terminal,
    ...streams.paths,
    spec: { $typeName: 'google.protobuf.Any' as const, ...packSpecType('Process', spec) },
  }
  await shim.call(Task.method.exec, request, { timeoutMs: callMs })
  streams.starting()
  const starting = shim.call(Task.method.start, process)
  const started = await within(starting, startMs).catch(async (error: unknown) => {
    await removeExec(world, shim, process)
    throw error
  })
  if (started !== undefined) return started.pid
  void endLate(world, shim, process, starting)
  const message = `the shim of container ${container.id} has not started a command within ${startMs} ms`
  throw new OciError('ERR_TIMEOUT', message, { containerId: container.id })
}

/** A shim that goes on does what it was asked, however late: the command is nobody's then. */
async function endLate(
  world: VmWorld,
  shim: Shim,
  process: { readonly id: string; readonly execId: string },
  starting: Promise<unknown>,
): Promise<void> {
  try {
    await starting
    await shim.call(Task.method.kill, { ...process, signal: SIGKILL, all: true }, { timeoutMs: callMs })
    await shim.call(Task.method.wait, process)
  } catch (err) {
    world.logger.debug({ containerId: process.id, execId: process.execId, err }, 'a late command has gone')
  }
  await removeExec(world, shim, process)
}

async function resizeTo(
  shim: Shim,
  process: { readonly id: string; readonly execId: string },
  { width, height }: TerminalSize,
): Promise<void> {
  await shim.call(Task.method.resizePty, { ...process, width, height }, { timeoutMs: callMs })
}

/** What a failed or ended command leaves in the shim is forgotten with the container at the latest. */
async function removeExec(
  world: VmWorld,
  shim: Shim,
  process: { readonly id: string; readonly execId: string },
): Promise<void> {
  try {
    await shim.call(Task.method.delete, process, { timeoutMs: callMs })
  } catch (err) {
    world.logger.debug({ containerId: process.id, execId: process.execId, err }, 'a shim keeps a command')
  }
}

async function closeStdin(shim: Shim, id: string, execId: string): Promise<void> {
  try {
    await shim.call(Task.method.closeIO, { id, execId, stdin: true }, { timeoutMs: callMs })
  } catch (error) {
    // It has ended.
    if (!isOciError(error) || !['ERR_NOT_RUNNING', 'ERR_UNKNOWN_TO_RUNTIME'].includes(error.code)) throw error
  }
}

/**
 * Who the command is among the processes of this host; undefined where it is none of them, since the pid is then that of
 * a machine. A shim that is gone meanwhile has taken the command with it.
 */
async function hostProcess(
  world: VmWorld,
  container: Container,
  pid: number,
): Promise<ProcessIdentity | undefined> {
  try {
    const below = await belowShim(world, await placeOf(world, container))
    return below === undefined || pid <= 1 ? undefined : await readIdentity(pid)
  } catch (err) {
    world.logger.warn({ containerId: container.id, pid, err }, 'what a command starts will not end with it')
    return undefined
  }
}

interface Running {
  readonly world: VmWorld
  readonly shim: Shim
  readonly containerId: string
  readonly id: string
  readonly pid: number
  readonly root: ProcessIdentity | undefined
  readonly streams: ExecStreams
  readonly wanted: WantedStreams
}

class RunningExec implements VmExec {
  readonly id: string
  readonly pid: number
  readonly pipes: ExecPipes
  readonly exited: Promise<ExecExit>
  readonly #running: Running
  /** Resolved when it was seen to be dead and its shim does not tell. */
  readonly #unheard = Promise.withResolvers<void>()
  #isOver = false

  constructor(running: Running) {
    this.#running = running
    this.id = running.id
    this.pid = running.pid
    this.pipes = running.streams.started()
    // Without a listener a command that does not read its stdin would end the embedder's process.
    this.pipes.stdin?.on('error', () => undefined)
    this.exited = Promise.race([this.#waitForEnd(), this.#unheard.promise.then(() => this.#lost())])
  }

  async finish(quietMs: number): Promise<void> {
    const { stdout, stderr } = this.pipes
    await this.#running.streams.exited(quietMs)
    await Promise.all([stdout, stderr].map((stream) => closed(stream)))
  }

  async remove(): Promise<void> {
    await removeExec(this.#running.world, this.#running.shim, this.#process())
  }

  discard(): void {
    this.#running.streams.discard()
  }

  async kill(signal: number): Promise<boolean> {
    if (this.#isOver) return false
    if (signal !== SIGKILL) return this.#signal(signal, callMs)
    try {
      await this.#endDescendants()
      return await this.#signal(signal, killMs)
    } catch (error) {
      if (!isOciError(error) || error.code !== 'ERR_TIMEOUT' || this.#running.root === undefined) throw error
      await this.#endWithoutShim()
      return true
    }
  }

  /**
   * No shim knows of them, so they are signalled here. The command itself, which is the shim's to signal, is stopped
   * meanwhile, so that it starts no others.
   */
  async #endDescendants(): Promise<void> {
    const { root, world, containerId } = this.#running
    if (root === undefined || !(await this.#signal(SIGSTOP, killMs))) return
    try {
      if (!(await endProcessTree(root, treeEndMs)))
        world.logger.warn({ containerId, pid: root.pid }, 'what a command has started does not die of KILL')
    } catch (err) {
      world.logger.warn(
        { containerId, pid: root.pid, err },
        'what a command has started was not ended with it',
      )
    }
  }

  /** Nobody will hear of its end: its shim is gone, or does not answer, and its container may live on. */
  async #endWithoutShim(): Promise<void> {
    const { root, world, containerId } = this.#running
    if (root === undefined) return
    try {
      if (killProcess(root, SIGSTOP)) await endProcessTree(root, treeEndMs)
      killProcess(root, SIGKILL)
      if (await processEnds(root, treeEndMs, never)) this.#unheard.resolve()
    } catch (err) {
      world.logger.warn({ containerId, pid: root.pid, err }, 'a command was not ended with its shim')
    }
  }

  async #signal(signal: number, timeoutMs: number): Promise<boolean> {
    try {
      const request = { ...this.#process(), signal }
      await this.#running.shim.call(Task.method.kill, request, { timeoutMs })
      return true
    } catch (error) {
      if (isOciError(error) && ['ERR_NOT_RUNNING', 'ERR_UNKNOWN_TO_RUNTIME'].includes(error.code))
        return false
      throw error
    }
  }

  async resize(size: TerminalSize): Promise<void> {
    if (!this.#running.wanted.terminal) {
      const { containerId } = this.#running
      throw new OciError('ERR_UNSUPPORTED', 'the command has no terminal', { containerId, field: 'tty' })
    }
    await resizeTo(this.#running.shim, this.#process(), size)
  }

  #process(): { readonly id: string; readonly execId: string } {
    return { id: this.#running.containerId, execId: this.id }
  }

  async #waitForEnd(): Promise<ExecExit> {
    const { shim, world, containerId } = this.#running
    for (;;) {
      try {
        const { exitStatus: code } = await shim.call(Task.method.wait, this.#process())
        this.#isOver = true
        return { kind: 'code', code }
      } catch (error) {
        const isLost = isOciError(error) && error.code === 'ERR_MONITOR_LOST'
        if (isLost && (await shim.restored())) continue
        if (!isLost) world.logger.warn({ containerId, err: error }, 'a shim refuses to wait for a command')
        else await this.#endWithoutShim()
        return this.#lost()
      }
    }
  }

  #lost(): ExecExit {
    this.#isOver = true
    return { kind: 'unknown', why: 'monitor-lost' }
  }
}

/** Kills it. Undefined when nothing was heard of its end within the limit. Never rejects. */
export async function endWithin(exec: VmExec, limitMs: number): Promise<ExecExit | undefined> {
  // A shim that refuses is as good as gone, and so is the command.
  const killed = exec.kill(SIGKILL).catch(() => false)
  return within(
    killed.then(() => exec.exited),
    limitMs,
  )
}

/** Of a command for which nobody waited until it ran: it is ended, and removed from the shim. Never rejects. */
export async function endWhenBegun(begun: Promise<VmExec>): Promise<void> {
  const exec = await begun.catch(() => undefined)
  if (exec === undefined) return
  await endWithin(exec, abandonedEndMs)
  for (const stream of [exec.pipes.stdout, exec.pipes.stderr]) stream?.destroy()
  await exec.finish(0)
  await exec.remove()
}

async function closed(stream: ExecPipes['stdout']): Promise<void> {
  if (stream === undefined || stream.closed) return
  await new Promise<void>((resolve) => stream.once('close', resolve))
}
