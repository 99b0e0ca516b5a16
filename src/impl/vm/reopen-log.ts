/** Log rotation: the log is ours, so a new file is opened by us. */
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { taskOf } from './adopt.ts'
import type { ContainerStreams } from './streams/streams.ts'
import type { VmWorld } from './world.ts'

export async function reopenLog(
  world: VmWorld,
  container: Container,
  { signal }: EffectOptions,
): Promise<void> {
  await (await streamsOf(world, container, signal)).reopenLog(signal)
}

/** ERR_NOT_RUNNING where nobody has them any more. */
export async function streamsOf(
  world: VmWorld,
  container: Container,
  signal: AbortSignal,
): Promise<ContainerStreams> {
  const { streams } = await taskOf(world, container, signal)
  if (streams !== undefined) return streams
  const message = `container ${container.id} is not running: nobody has its streams any more`
  throw new OciError('ERR_NOT_RUNNING', message, { containerId: container.id })
}
