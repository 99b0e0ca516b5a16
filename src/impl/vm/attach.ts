/** Attach: a client joins the streams that we keep; see streams/. */
import type { Container } from '../../container.ts'
import type { AttachOptions, AttachSession } from '../attach-port.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { streamsOf } from './reopen-log.ts'
import type { VmWorld } from './world.ts'

export async function attach(
  world: VmWorld,
  container: Container,
  request: AttachOptions,
  { signal }: EffectOptions,
): Promise<AttachSession> {
  return (await streamsOf(world, container, signal)).attach(request, signal)
}
