/**
 * Processes that outlive init. In a pid namespace of its own the kernel kills them with init, and a machine has no others.
 * A container that shares a namespace leaves them behind; the shim kills all that is in its cgroup.
 */
import { readBundleSpec } from '../../bundle/bundle.ts'
import type { Container } from '../../container.ts'
import { isOciError } from '../../errors/index.ts'
import { cgroupDirectories } from '../host/cgroups.ts'
import { emptyCgroup } from '../host/kill-cgroup.ts'
import { hasOwnPidNamespace } from '../host/pid-namespace.ts'
import { runRuntime } from '../host/runtime-command.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { taskOf } from './adopt.ts'
import { Task } from './messages/generated/task_pb.ts'
import { belowShim, placeOf, type VmWorld } from './world.ts'

const SIGKILL = 9
const killMs = 30_000

export async function killRemaining(
  world: VmWorld,
  container: Container,
  { signal }: EffectOptions,
): Promise<void> {
  const place = await placeOf(world, container)
  const notes = await world.notebook.read(container, place.paths.notesFile)
  if (notes?.ownPidNamespace ?? hasOwnPidNamespace(await readBundleSpec(container))) return
  try {
    await killByShim(world, container, signal)
  } catch (error) {
    if (!isOciError(error)) throw error
    // Nobody is left.
    if (error.code === 'ERR_NOT_RUNNING') return
    if (error.code === 'ERR_UNKNOWN_TO_RUNTIME') {
      // Files are gone, which says nothing of processes. Nothing is noted of a machine.
      const mounts = await world.cgroupMounts()
      await emptyCgroup(mounts, cgroupDirectories(mounts, notes?.cgroupPaths ?? {}), signal)
      return
    }
    const below = error.code === 'ERR_MONITOR_LOST' ? await belowShim(world, place) : undefined
    if (below === undefined) throw error
    await runRuntime(world, below, { verb: 'kill', flags: ['--all'], operands: ['KILL'] }, signal)
  }
}

async function killByShim(world: VmWorld, container: Container, signal: AbortSignal): Promise<void> {
  const { shim } = await taskOf(world, container, signal)
  const request = { id: container.id, signal: SIGKILL, all: true }
  await shim.call(Task.method.kill, request, { timeoutMs: killMs, signal })
}
