/** Start: has the runtime run the command of a created container. */
import type { Container } from '../../container.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { runRuntime } from '../host/runtime-command.ts'
import { placeOf, type OciWorld } from './world.ts'

export async function start(
  world: OciWorld,
  container: Container,
  { signal, timeoutMs }: EffectOptions,
): Promise<void> {
  const verb = { verb: 'start', timeoutMs } as const
  await runRuntime(world, await placeOf(world, container), verb, signal)
}
