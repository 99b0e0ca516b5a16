/**
 * Observe: what the shim says of a container; and what the freezer and the OCI runtime below it say, where there is one. A
 * shim remembers what it was asked to do, and not what others did since.
 */
import { lstat } from 'node:fs/promises'
import type { Container } from '../../container.ts'
import { errnoOf, isOciError, OciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { observeProcess, readIdentity } from '../process-identity.ts'
import type { EffectOptions, Observation } from '../runtime-impl.ts'
import { runtimeState } from '../host/runtime-state.ts'
import { waitsForStart } from '../host/start-fifo.ts'
import { taskOf } from './adopt.ts'
import { isFrozen } from './freezer.ts'
import { Task } from './messages/generated/task_pb.ts'
import { belowShim, placeOf, type VmWorld } from './world.ts'

/** For an answer; callers give up after some seconds more. */
const stateMs = 5000

const statuses: ReadonlyMap<number, Observation['status']> = new Map([
  [1, 'created'],
  [2, 'running'],
  [3, 'stopped'],
  [4, 'paused'],
  // About to be.
  [5, 'running'],
])

/**
 * Invariant: `absent` is only what a shim itself says of a container whose process is not there either, or what there is no
 * trace of. Everything else that goes wrong is an error.
 */
export async function observe(
  world: VmWorld,
  container: Container,
  { signal, timeoutMs = stateMs }: EffectOptions,
): Promise<Observation> {
  try {
    const { shim, streams } = await taskOf(world, container, signal)
    const { status: number, pid } = await shim.call(
      Task.method.state,
      { id: container.id },
      { timeoutMs, signal },
    )
    const status = statuses.get(number)
    if (status === undefined) throw unknownStatus(container.id, number)
    const init = status === 'stopped' || pid <= 1 ? undefined : await readIdentity(pid)
    if (init === undefined) return { status: 'stopped', init }
    if (status === 'created' && !(await isStartedBelow(world, container, { signal, timeoutMs })))
      return { status, init }
    // Whoever started it: what it writes has an end from now on.
    streams?.started()
    const isPaused = (await isFrozen(world, container, init)) ?? status === 'paused'
    return { status: isPaused ? 'paused' : 'running', init }
  } catch (error) {
    if (!isOciError(error)) throw error
    const isDenied = error.code === 'ERR_UNKNOWN_TO_RUNTIME'
    if (isDenied || error.code === 'ERR_TIMEOUT') {
      // Of a machine a shim knows more than its process tells.
      const isOfHost = (await belowShim(world, await placeOf(world, container))) !== undefined
      const seen = isOfHost ? await observeWithoutShim(world, container) : undefined
      if (seen?.init !== undefined) return seen
      if (isDenied) return { status: 'absent', init: undefined }
    }
    if (error.code === 'ERR_MONITOR_LOST') return observeWithoutShim(world, container)
    throw error
  }
}

/** In the words of the port; a machine shows nothing of what it runs. */
export async function isStarted(world: VmWorld, container: Container): Promise<boolean | undefined> {
  return (await waitsForStart((await placeOf(world, container)).paths.runtimeState)) ? false : undefined
}

/** Whether the OCI runtime was asked to start what its shim was not. */
async function isStartedBelow(
  world: VmWorld,
  container: Container,
  options: EffectOptions,
): Promise<boolean> {
  const place = await placeOf(world, container)
  const below = await belowShim(world, place)
  if (below === undefined || (await waitsForStart(place.paths.runtimeState))) return false
  const { status } = await runtimeState(world, below, options)
  return status === 'running' || status === 'paused'
}

/** Its process is known; nobody can, or does, say more of it than whether it lives, and waits for its start. */
async function observeWithoutShim(world: VmWorld, container: Container): Promise<Observation> {
  const place = await placeOf(world, container)
  const init = (await world.notebook.read(container, place.paths.notesFile))?.init
  if (init !== undefined && (await observeProcess(init)) === 'alive') {
    if (await waitsForStart(place.paths.runtimeState)) return { status: 'created', init }
    const isPaused = (await isFrozen(world, container, init)) === true
    // Where the runtime's files are gone, the FIFO that is not there says nothing.
    const isOfProcessOnly = !(await isThere(place.paths.runtimeState))
    return { status: isPaused ? 'paused' : 'running', init, isOfProcessOnly }
  }
  return { status: (await isThere(place.paths.runtimeState)) ? 'stopped' : 'absent', init: undefined }
}

function unknownStatus(containerId: string, status: number): OciError {
  const message = `the shim says that container ${containerId} has status ${status}; it must be 1 to 5`
  return new OciError('ERR_RUNTIME_FAILED', message, { containerId })
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw ioError('examine', path, error)
  }
}
