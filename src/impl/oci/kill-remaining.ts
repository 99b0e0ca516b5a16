/**
 * Processes that outlive init. In a pid namespace of its own the kernel kills them with init; a container that shares
 * one (the host's, a pod's) leaves them behind, and then its cgroup cannot be removed.
 *
 * By `<runtime> kill --all`, which kills what is in the container's cgroup, stopped or not: runtimes freeze it meanwhile,
 * so that a process that forks does not get away.
 */
import { readBundleSpec } from '../../bundle/bundle.ts'
import type { Container } from '../../container.ts'
import { isOciError } from '../../errors/index.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { hasOwnPidNamespace } from '../host/pid-namespace.ts'
import { runRuntime } from '../host/runtime-command.ts'
import { placeOf, type OciWorld, type Place } from './world.ts'

export async function killRemaining(
  world: OciWorld,
  container: Container,
  { signal }: EffectOptions,
): Promise<void> {
  const place = await placeOf(world, container)
  if (await kernelDoesIt(world, place)) return
  try {
    await runRuntime(world, place, { verb: 'kill', flags: ['--all'], operands: ['KILL'] }, signal)
  } catch (error) {
    // Nobody is left.
    if (isOciError(error) && (error.code === 'ERR_NOT_RUNNING' || error.code === 'ERR_UNKNOWN_TO_RUNTIME'))
      return
    throw error
  }
}

async function kernelDoesIt(world: OciWorld, { container, paths }: Place): Promise<boolean> {
  const notes = await world.notebook.read(container, paths.notesFile)
  return notes?.ownPidNamespace ?? hasOwnPidNamespace(await readBundleSpec(container))
}
