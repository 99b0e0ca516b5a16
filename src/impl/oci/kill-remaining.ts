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
import { cgroupDirectories } from '../host/cgroups.ts'
import { emptyCgroup } from '../host/kill-cgroup.ts'
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
    if (!isOciError(error)) throw error
    // Nobody is left.
    if (error.code === 'ERR_NOT_RUNNING') return
    if (error.code !== 'ERR_UNKNOWN_TO_RUNTIME') throw error
    // The runtime's files are gone, which says nothing of processes.
    const mounts = await world.cgroupMounts()
    const notes = await world.notebook.read(container, place.paths.notesFile)
    await emptyCgroup(mounts, cgroupDirectories(mounts, notes?.cgroupPaths ?? {}), signal)
  }
}

async function kernelDoesIt(world: OciWorld, { container, paths }: Place): Promise<boolean> {
  const notes = await world.notebook.read(container, paths.notesFile)
  return notes?.ownPidNamespace ?? hasOwnPidNamespace(await readBundleSpec(container))
}
