/** Observe: what the runtime, the process table and the freezer say of a container. */
import type { Container } from '../../container.ts'
import { isOciError } from '../../errors/index.ts'
import { isFrozen } from '../host/freezer.ts'
import { runtimeState, type RuntimeState } from '../host/runtime-state.ts'
import { waitsForStart } from '../host/start-fifo.ts'
import { observeProcess, readIdentity } from '../process-identity.ts'
import type { EffectOptions, Observation } from '../runtime-impl.ts'
import { type OciWorld, type Place, placeOf } from './world.ts'

/** In the words of the port: crun and runc tell by the same FIFO. */
export async function isStarted(world: OciWorld, container: Container): Promise<boolean | undefined> {
  return (await waitsForStart((await placeOf(world, container)).paths.runtimeState)) ? false : undefined
}

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
  let state: RuntimeState
  try {
    state = await runtimeState(world, place, { signal, timeoutMs })
  } catch (error) {
    if (isOciError(error) && error.code === 'ERR_UNKNOWN_TO_RUNTIME') return observeUnknown(world, place)
    throw error
  }
  world.ours.add(container)
  const { status, pid } = state
  // The runtime looked a moment ago, and some take a zombie for a running process.
  const init = status === 'stopped' || pid <= 1 ? undefined : await readIdentity(pid)
  if (init === undefined) return { status: 'stopped', init }
  const frozen = status === 'running' && (await isFrozen(world, init)) === true
  // runc calls a created container paused that somebody has frozen.
  const waits = status === 'paused' && (await waitsForStart(place.paths.runtimeState))
  if (waits) return { status: 'created', init }
  return { status: frozen ? 'paused' : status, init }
}

/** The runtime's files are not there; the process may be. */
async function observeUnknown(world: OciWorld, { container, paths }: Place): Promise<Observation> {
  const init = (await world.notebook.read(container, paths.notesFile))?.init
  if (init === undefined || (await observeProcess(init)) === 'gone')
    return { status: 'absent', init: undefined }
  const status = (await isFrozen(world, init)) === true ? 'paused' : 'running'
  return { status, init, isOfProcessOnly: true }
}
