/** What `<runtime> state` says of a container: its own word, with no look at processes or freezers. */
import { z } from 'zod'
import { OciError } from '../../errors/index.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { runRuntime, type RuntimeWorld } from './runtime-command.ts'
import type { RuntimePlace } from './world.ts'

const stateSchema = z.object({
  status: z.enum(['created', 'running', 'paused', 'stopped']),
  pid: z.int().min(0).default(0),
})

export type RuntimeState = z.infer<typeof stateSchema>

/** Throws as `runRuntime` does: ERR_UNKNOWN_TO_RUNTIME when there is no such container. */
export async function runtimeState(
  world: RuntimeWorld,
  place: RuntimePlace,
  { signal, timeoutMs }: EffectOptions,
): Promise<RuntimeState> {
  const text = await runRuntime(world, place, { verb: 'state', timeoutMs }, signal)
  return parseRuntimeState(text, place.container.id)
}

/** What it prints. ERR_RUNTIME_FAILED when it is something else. */
export function parseRuntimeState(text: string, containerId: string): RuntimeState {
  try {
    return stateSchema.parse(JSON.parse(text))
  } catch (error) {
    const message = `the runtime's state of container ${containerId} must be JSON with status and pid, not ${JSON.stringify(text.slice(0, 200))}`
    throw new OciError('ERR_RUNTIME_FAILED', message, { containerId, cause: error })
  }
}
