/**
 * Pause and resume, by the shim.
 *
 * Shims refuse what is so already, and runc's does not notice what somebody else does to the freezer. So a refusal is
 * decided by looking; what is frozen or runs against the shim's belief is for the runtime below it. That one does all
 * where the shim is gone.
 */
import type { Container } from '../../container.ts'
import { isOciError, OciError } from '../../errors/index.ts'
import { seeFrozen, thaw } from '../host/freezer.ts'
import { observeProcess } from '../process-identity.ts'
import { justBefore, runRuntime } from '../host/runtime-command.ts'
import type { EffectOptions, Observation } from '../runtime-impl.ts'
import { taskOf } from './adopt.ts'
import { Task } from './messages/generated/task_pb.ts'
import { isFrozen } from './freezer.ts'
import { observe } from './observe.ts'
import { isRpcError } from './ttrpc/rpc-error.ts'
import { belowShim, placeOf, type VmWorld } from './world.ts'

const toggleMs = 30_000

export async function pause(world: VmWorld, container: Container, options: EffectOptions): Promise<void> {
  await toggle(world, container, 'pause', ['paused'], options)
  const { paths } = await placeOf(world, container)
  // Not by the shim, which may be gone.
  const init = (await world.notebook.read(container, paths.notesFile))?.init
  if (init === undefined) return
  const limitMs = justBefore(options.timeoutMs ?? toggleMs)
  await seeFrozen(() => isFrozen(world, container, init), container, limitMs, options.signal)
}

export async function resume(world: VmWorld, container: Container, options: EffectOptions): Promise<void> {
  await toggle(world, container, 'resume', ['running', 'created'], options)
}

async function toggle(
  world: VmWorld,
  container: Container,
  verb: 'pause' | 'resume',
  wanted: readonly Observation['status'][],
  options: EffectOptions,
): Promise<void> {
  const { signal, timeoutMs } = options
  const limitMs = timeoutMs === undefined ? toggleMs : justBefore(timeoutMs)
  const isResume = verb === 'resume'
  try {
    const { shim } = await taskOf(world, container, signal)
    // Half of the time is the runtime's where a shim does not thaw. A pause that is late is not begun a second time.
    const askMs = isResume ? limitMs / 2 : limitMs
    await shim.call(Task.method[verb], { id: container.id }, { timeoutMs: askMs, signal })
    return
  } catch (error) {
    const isLost = isOciError(error) && error.code === 'ERR_MONITOR_LOST'
    if (isResume && isOciError(error) && error.code === 'ERR_TIMEOUT')
      return resumeBelow(world, container, { signal, timeoutMs: limitMs / 2 }, error)
    if (!isRpcError(error) && !isLost) throw error
    const { status } = await observe(world, container, options)
    if (wanted.includes(status)) return
    if (status === 'stopped' || status === 'absent')
      throw new OciError('ERR_NOT_RUNNING', error.message, { containerId: container.id, cause: error })
    const isForRuntime = isLost || status !== 'created'
    if (!isForRuntime) throw error
    if (isResume) return resumeBelow(world, container, { signal, timeoutMs }, error)
    const below = await belowShim(world, await placeOf(world, container))
    if (below === undefined) throw error
    await runRuntime(world, below, { verb, timeoutMs }, signal)
  }
}

/** By the runtime, and without it where its files are gone: a process that lives and is frozen is thawed. */
async function resumeBelow(
  world: VmWorld,
  container: Container,
  { signal, timeoutMs }: EffectOptions,
  failure: OciError,
): Promise<void> {
  const place = await placeOf(world, container)
  const below = await belowShim(world, place)
  if (below === undefined) throw failure
  try {
    await runRuntime(world, below, { verb: 'resume', timeoutMs }, signal)
  } catch (error) {
    if (!isOciError(error) || error.code !== 'ERR_UNKNOWN_TO_RUNTIME') throw error
    const init = (await world.notebook.read(container, place.paths.notesFile))?.init
    if (init === undefined || (await observeProcess(init)) === 'gone') throw error
    await thaw(world, init)
  }
}
