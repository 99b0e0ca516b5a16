/** Observe: what the runtime, the process table and the freezer say of a container. */
import { z } from 'zod'
import type { Container } from '../../container.ts'
import { isOciError, OciError } from '../../errors/index.ts'
import { isFrozen } from '../host/freezer.ts'
import { runRuntime } from '../host/runtime-command.ts'
import { observeProcess, readIdentity } from '../process-identity.ts'
import type { EffectOptions, Observation } from '../runtime-impl.ts'
import { type OciWorld, type Place, placeOf } from './world.ts'

const stateSchema = z.object({
  status: z.enum(['created', 'running', 'paused', 'stopped']),
  pid: z.int().min(0).default(0),
})

/**
 * Invariant: `absent` is only what the runtime itself says of a container whose process is not there either. Whatever else
 * goes wrong is an error and changes nothing.
 */
export async function observe(
  world: OciWorld,
  container: Container,
  { signal, timeoutMs }: EffectOptions,
): Promise<Observation> {
  const place = await placeOf(world, container)
  let text: string
  try {
    text = await runRuntime(world, place, { verb: 'state', timeoutMs }, signal)
  } catch (error) {
    if (isOciError(error) && error.code === 'ERR_UNKNOWN_TO_RUNTIME') return observeUnknown(world, place)
    throw error
  }
  world.ours.add(container)
  const { status, pid } = parseRuntimeState(text, container.id)
  // The runtime looked a moment ago, and some take a zombie for a running process.
  const init = status === 'stopped' || pid <= 1 ? undefined : await readIdentity(pid)
  if (init === undefined) return { status: 'stopped', init }
  const frozen = status === 'running' && (await isFrozen(world, init)) === true
  return { status: frozen ? 'paused' : status, init }
}

/** The runtime's files are not there; the process may be. */
async function observeUnknown(world: OciWorld, { container, paths }: Place): Promise<Observation> {
  const init = (await world.notebook.read(container, paths.notesFile))?.init
  if (init === undefined || (await observeProcess(init)) === 'gone')
    return { status: 'absent', init: undefined }
  return { status: (await isFrozen(world, init)) === true ? 'paused' : 'running', init }
}

/** What `<runtime> state` prints. ERR_RUNTIME_FAILED when it is something else. */
export function parseRuntimeState(text: string, containerId: string): z.infer<typeof stateSchema> {
  try {
    return stateSchema.parse(JSON.parse(text))
  } catch (error) {
    const message = `the runtime's state of container ${containerId} must be JSON with status and pid, not ${JSON.stringify(text.slice(0, 200))}`
    throw new OciError('ERR_RUNTIME_FAILED', message, { containerId, cause: error })
  }
}
