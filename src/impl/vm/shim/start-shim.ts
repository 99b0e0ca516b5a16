/**
 * Has a shim started for a container, or joins the one of its pod: its `start`, then proof that what it left behind
 * lives. The log that it needs has to be there before.
 */
import { lstat, rename } from 'node:fs/promises'
import { basename } from 'node:path'
import { errnoOf, isOciError, OciError } from '../../../errors/index.ts'
import { readRuntimeWords } from '../../../errors/runtime-wording.ts'
import { ioError } from '../../../files.ts'
import type { CommandResult } from '../../launcher/launcher.ts'
import { removeFile } from '../../host/remove-file.ts'
import { failedCommand } from '../../host/failed-command.ts'
import { notStartedError } from '../../host/runtime-command.ts'
import { holdingOutputs } from '../streams/holding-outputs.ts'
import type { StreamPaths } from '../streams/streams.ts'
import type { VmPlace, VmWorld } from '../world.ts'
import type { Shim } from './connection.ts'
import { shimEnvironment, shimStartArguments, socketOfAnswer } from './shim-command.ts'
import { readShimLog } from './shim-log.ts'

export interface StartOptions {
  readonly shimPath: string
  /** Our ends of them are open. */
  readonly streams: StreamPaths
  readonly signal: AbortSignal
  /** What is left of the create's time. */
  readonly leftMs: () => number
}

/** An answer to the first call comes within milliseconds; on a host that is overloaded, within seconds. */
const proofOfLifeMaxMs = 10_000
const answerMaxBytes = 8192
/** What a shell exits with when it cannot execute a program. */
const shellFailures: ReadonlySet<number> = new Set([126, 127])

/**
 * Throws ERR_RUNTIME_NOT_FOUND, ERR_MONITOR_FAILED with the command, ERR_UNSUPPORTED, ERR_TIMEOUT, ERR_ABORTED, ERR_IO,
 * and what the launcher throws. A daemon may have been left behind: clean-up looks for it.
 */
export async function startShim(world: VmWorld, place: VmPlace, options: StartOptions): Promise<Shim> {
  const { container } = place
  const socketPath = await runStart(world, place, options)
  return world.shims.join(socketPath, {
    containerId: container.id,
    timeoutMs: Math.min(proofOfLifeMaxMs, options.leftMs()),
    signal: options.signal,
  })
}

/** Before it is started. Reads the log of the container's shim, in place of what was read before. Throws ERR_IO, and what the launcher throws. */
export async function openShimLog(world: VmWorld, { container, paths }: VmPlace): Promise<void> {
  closeShimLog(world, container.id)
  await removeFile(paths.shimLog)
  await makeFifo(world, paths.shimLog)
  world.shimLogs.set(container.id, readShimLog(paths.shimLog, container.id, world.logger))
}

/** After a restart of ours. A log that is not there any more is no loss. */
export async function reopenShimLog(world: VmWorld, { container, paths }: VmPlace): Promise<void> {
  closeShimLog(world, container.id)
  try {
    if (!(await lstat(paths.shimLog)).isFIFO()) return
    world.shimLogs.set(container.id, readShimLog(paths.shimLog, container.id, world.logger))
  } catch (err) {
    world.logger.debug({ containerId: container.id, err }, 'the log of a shim cannot be read any more')
  }
}

export function closeShimLog(world: VmWorld, containerId: string): void {
  world.shimLogs.get(containerId)?.close()
  world.shimLogs.delete(containerId)
}

/** Ready made and moved into place; the bundle may be on another file system than those. */
async function makeFifo(world: VmWorld, path: string): Promise<void> {
  const [fifo = ''] = await world.fifos.takeFifos(1)
  try {
    await rename(fifo, path)
  } catch (error) {
    await removeFile(fifo)
    if (errnoOf(error) !== 'EXDEV') throw ioError('create', path, error)
    await world.fifos.makeFifoAt(path)
  }
}

async function runStart(
  world: VmWorld,
  { container, paths, env }: VmPlace,
  { shimPath, streams, signal, leftMs }: StartOptions,
): Promise<string> {
  const { address } = await world.events()
  const debug = world.logger.isLevelEnabled?.('debug') === true
  const argv = shimStartArguments({ shimPath, containerId: container.id, debug })
  const command = {
    argv: holdingOutputs(streams, argv),
    env: shimEnvironment(env, address),
    cwd: paths.bundle,
    timeoutMs: leftMs(),
    stdoutMaxBytes: answerMaxBytes,
  }
  const result = await world.launcher.run(command, signal)
  if (result.exitCode === 0 && !result.timedOut) return answerOf(argv, result)
  throw startFailure(argv, result, command.timeoutMs)
}

function answerOf(argv: readonly string[], result: CommandResult): string {
  try {
    return socketOfAnswer(result.stdout)
  } catch (error) {
    if (!isOciError(error)) throw error
    const { code, message, field } = error
    throw new OciError(code, message, { field, command: failedCommand(argv, result) })
  }
}

function startFailure(
  argv: readonly [string, ...string[]],
  result: CommandResult,
  timeoutMs: number,
): OciError {
  const details = { command: failedCommand(argv, result) }
  if (result.notStarted !== undefined) return notStartedError(result.notStarted, details)
  const name = basename(argv[0])
  if (result.timedOut) {
    return new OciError(
      'ERR_TIMEOUT',
      `${name} start did not end within ${Math.round(timeoutMs)} ms`,
      details,
    )
  }
  const { message } = readRuntimeWords(result.stderrTail || result.stdout)
  if (result.exitCode !== undefined && shellFailures.has(result.exitCode))
    return new OciError('ERR_RUNTIME_NOT_FOUND', `${argv[0]} cannot be executed: ${message}`, {
      ...details,
      file: argv[0],
    })
  const end =
    result.exitCode === undefined ? `was killed by ${result.signal}` : `exited with code ${result.exitCode}`
  return new OciError('ERR_MONITOR_FAILED', `${name} start ${end}: ${message || 'it said nothing'}`, details)
}
