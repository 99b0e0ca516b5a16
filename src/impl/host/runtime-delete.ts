/** The deletion of a container by its OCI runtime, also where that is broken or knows nothing. */
import { readdir } from 'node:fs/promises'
import { errnoOf, type ErrorCode, isOciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { endInit, type NotedProcess } from './end-init.ts'
import { runRuntime, type RuntimeWorld } from './runtime-command.ts'
import type { HostWorld, RuntimePlace } from './world.ts'

/** What `delete` gets where the runtime keeps nothing of the container: it has little to do. */
const deleteNothingMs = 5000

/** Ways in which a runtime fails that say nothing of the container: it is missing, cannot be started, crashes, hangs, or has words of its own. */
const runtimeFaults: ReadonlySet<ErrorCode> = new Set([
  'ERR_RUNTIME_NOT_FOUND',
  'ERR_BUSY',
  'ERR_RUNTIME_FAILED',
  'ERR_TIMEOUT',
])

type DeleteWorld = RuntimeWorld & Pick<HostWorld, 'logger' | 'cgroupMounts'>

export interface RuntimeDelete {
  readonly force: boolean
  /** What is noted of the container's process. */
  readonly noted: NotedProcess | undefined
}

/**
 * `delete` by the runtime; a container that it does not know is deleted once its process is dead, which no runtime is
 * believed about. When the runtime itself is broken, its files decide: one that could not delete would not have created
 * either, and a failed create must not stay for ever.
 */
export async function deleteFromRuntime(
  world: DeleteWorld,
  place: RuntimePlace,
  { force, noted }: RuntimeDelete,
  signal: AbortSignal,
): Promise<void> {
  try {
    await askToDelete(world, place, force ? ['--force'] : [], signal)
  } catch (error) {
    // One that is given up must not leave a process of which its container says that it has stopped.
    if (force) await endInit(world, place.container, noted, signal)
    throw error
  }
  await endInit(world, place.container, noted, signal)
}

async function askToDelete(
  world: DeleteWorld,
  place: RuntimePlace,
  flags: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const limit = (await keepsAnything(place)) ? {} : { timeoutMs: deleteNothingMs }
  try {
    await runRuntime(world, place, { verb: 'delete', flags, ...limit }, signal)
  } catch (error) {
    if (!isOciError(error)) throw error
    if (error.code === 'ERR_UNKNOWN_TO_RUNTIME') return
    if (!runtimeFaults.has(error.code) || (await keepsAnything(place))) throw error
    world.logger.warn(
      { containerId: place.container.id, err: error },
      'the runtime cannot delete, and has nothing to',
    )
  }
}

/** Whether anything in the runtime's root bears the id. Most keep a directory of that name, gVisor files beginning with it. */
export async function keepsAnything({ container: { id }, runtimeRoot }: RuntimePlace): Promise<boolean> {
  try {
    const entries = await readdir(runtimeRoot, { withFileTypes: true })
    return entries.some((entry) => entry.name === id || (!entry.isDirectory() && entry.name.includes(id)))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw ioError('list', runtimeRoot, error)
  }
}
