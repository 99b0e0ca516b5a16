/**
 * Pause and resume, by the runtime: it knows the freezer of its cgroups.
 *
 * The runtimes disagree about doing it twice: crun succeeds, runc fails with words that it also has for a stopped
 * container. So a refusal is decided by looking, and what is so already counts as done.
 */
import type { Container } from '../../container.ts'
import { isOciError, OciError } from '../../errors/index.ts'
import type { EffectOptions, Observation } from '../runtime-impl.ts'
import { observe } from './observe.ts'
import { isFrozen, seeFrozen, thaw } from '../host/freezer.ts'
import { observeProcess } from '../process-identity.ts'
import { justBefore, runRuntime } from '../host/runtime-command.ts'
import { assertOwnCgroup } from './own-cgroup.ts'
import { placeOf, type OciWorld } from './world.ts'

const freezeMs = 30_000

export async function pause(world: OciWorld, container: Container, options: EffectOptions): Promise<void> {
  await toggle(world, container, 'pause', ['paused'], options)
  const { paths } = await placeOf(world, container)
  const init = (await world.notebook.read(container, paths.notesFile))?.init
  if (init === undefined) return
  const limitMs = justBefore(options.timeoutMs ?? freezeMs)
  await seeFrozen(() => isFrozen(world, init), container, limitMs, options.signal)
}

export async function resume(world: OciWorld, container: Container, options: EffectOptions): Promise<void> {
  await toggle(world, container, 'resume', ['running', 'created'], options)
}

async function toggle(
  world: OciWorld,
  container: Container,
  verb: 'pause' | 'resume',
  wanted: readonly Observation['status'][],
  options: EffectOptions,
): Promise<void> {
  const place = await placeOf(world, container)
  const notes = await world.notebook.read(container, place.paths.notesFile)
  assertOwnCgroup(container, notes, 'it cannot be frozen alone')
  try {
    await runRuntime(world, place, { verb, timeoutMs: options.timeoutMs }, options.signal)
  } catch (error) {
    const init = notes?.init
    const isUnknown = isOciError(error) && error.code === 'ERR_UNKNOWN_TO_RUNTIME'
    // Its files are gone, and it is not: nobody else would thaw it.
    if (isUnknown && verb === 'resume' && init !== undefined && (await observeProcess(init)) === 'alive')
      return thaw(world, init)
    if (!isOciError(error) || (error.code !== 'ERR_NOT_RUNNING' && error.code !== 'ERR_WRONG_STATUS'))
      throw error
    const { status } = await observe(world, container, options)
    if (wanted.includes(status)) return
    if (status !== 'stopped' && status !== 'absent') throw error
    const { containerId, command } = error
    throw new OciError('ERR_NOT_RUNNING', error.message, { containerId, command, cause: error })
  }
}
