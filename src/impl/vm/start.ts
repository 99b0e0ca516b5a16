/** Start: has the shim run the command of a created container. */
import type { Container } from '../../container.ts'
import { justBefore } from '../host/runtime-command.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { taskOf } from './adopt.ts'
import { Task } from './messages/generated/task_pb.ts'
import type { VmWorld } from './world.ts'

const startMs = 120_000

export async function start(
  world: VmWorld,
  container: Container,
  { signal, timeoutMs }: EffectOptions,
): Promise<void> {
  const { shim, streams } = await taskOf(world, container, signal)
  streams?.starting()
  const limitMs = timeoutMs === undefined ? startMs : justBefore(timeoutMs)
  await shim.call(Task.method.start, { id: container.id }, { timeoutMs: limitMs, signal })
  streams?.started()
}
