/**
 * The end of a shim: it goes when it is told to and has no container left. One that does not is killed, unless it may
 * serve others.
 */
import { lstat, readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { basename } from 'node:path'
import { errnoOf, isOciError, OciError } from '../../../errors/index.ts'
import { ioError } from '../../../files.ts'
import { readIfThere } from '../../host/cgroups.ts'
import { removeFile } from '../../host/remove-file.ts'
import { killAndWait, processEnds } from '../../host/process-end.ts'
import { waitUntil } from '../../host/waiting.ts'
import { observeProcess, readIdentity } from '../../process-identity.ts'
import type { ProcessIdentity } from '../../runtime-impl.ts'
import { Task } from '../messages/generated/task_pb.ts'
import type { VmNotes } from '../notes.ts'
import { shimPath, type VmPlace, type VmWorld } from '../world.ts'
import { usualSocketPath } from './address.ts'
import type { Shim } from './connection.ts'
import { shimNamespace } from './shim-command.ts'

const shutdownMs = 10_000
const endMs = 3000
const killMs = 3000

/** Of a shim that has no container of ours any more. ERR_TIMEOUT when it does not die of KILL. */
export async function shutDown(
  world: VmWorld,
  { container }: VmPlace,
  shim: Shim,
  { sharesShim, signal }: { readonly sharesShim: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const { id } = container
  if (world.shims.othersAt(shim.socketPath, id) > 0) {
    world.shims.leave(shim.socketPath, id)
    return
  }
  try {
    await shim.call(Task.method.shutdown, { id }, { timeoutMs: shutdownMs, signal })
  } catch (error) {
    if (!isOciError(error) || error.code === 'ERR_ABORTED') throw error
    // It ends before, or while, it answers. Whatever else it says: it is looked at next.
    if (error.code !== 'ERR_MONITOR_LOST')
      world.logger.debug({ containerId: id, err: error }, 'a shim does not want to end')
  }
  const isOver = async () => shim.isGone || (await observeProcess(shim.process)) === 'gone'
  // Its connection ends with it, which is heard of sooner than any look comes.
  const ended = await Promise.race([shim.gone.then(() => true), waitUntil(isOver, endMs, signal)])
  world.shims.leave(shim.socketPath, id)
  // Others of its pod, which this process knows nothing of.
  if (!ended && sharesShim) return
  if (!ended) await endByForce(shim.process, id, signal)
  await removeDeadSocket(shim.socketPath)
}

/** The shims of this container that still run although nobody could reach them, by their arguments. */
export async function killLostShims(
  world: VmWorld,
  place: VmPlace,
  notes: VmNotes | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { id } = place.container
  const socketPath = notes?.socketPath
  const isShared = notes?.sharesShim === true
  if (!isShared || socketPath === undefined || world.shims.othersAt(socketPath, id) === 0) {
    for (const shim of await searchShims(place, basename(await shimPath(world, place))))
      await endByForce(shim, id, signal)
    if (notes?.shim !== undefined && !isShared && (await observeProcess(notes.shim)) === 'alive')
      await endByForce(notes.shim, id, signal)
  }
  // It may have been killed before anybody heard where it listens.
  for (const path of [socketPath, usualSocketPath(id)]) if (path !== undefined) await removeDeadSocket(path)
}

async function searchShims({ container }: VmPlace, program: string): Promise<readonly ProcessIdentity[]> {
  const found: ProcessIdentity[] = []
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) continue
    const argv = ((await readIfThere(`/proc/${pid}/cmdline`)) ?? '').split('\0')
    // It may be a script, which its interpreter runs.
    const isShim = argv.slice(0, 3).some((argument) => basename(argument) === program)
    if (!isShim || !follows(argv, '-id', container.id) || !follows(argv, '-namespace', shimNamespace))
      continue
    const identity = await readIdentity(pid)
    if (identity !== undefined) found.push(identity)
  }
  return found
}

function follows(argv: readonly string[], option: string, value: string): boolean {
  return argv.some((argument, index) => argument === option && argv[index + 1] === value)
}

async function endByForce(shim: ProcessIdentity, containerId: string, signal: AbortSignal): Promise<void> {
  if (await processEnds(shim, 0, signal)) return
  if (await killAndWait(shim, killMs, signal)) return
  const message = `the shim of container ${containerId} (pid ${shim.pid}) has not died of KILL within ${killMs} ms`
  throw new OciError('ERR_TIMEOUT', message, { containerId })
}

/** A shim that was killed leaves its socket behind. Never removes one at which somebody listens. */
async function removeDeadSocket(path: string): Promise<void> {
  try {
    if (!(await lstat(path)).isSocket()) return
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return
    throw ioError('examine', path, error)
  }
  if ((await errnoOfConnecting(path)) === 'ECONNREFUSED') await removeFile(path)
}

function errnoOfConnecting(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket
      .once('connect', () => {
        socket.destroy()
        resolve(undefined)
      })
      .once('error', (error) => resolve(errnoOf(error)))
  })
}
