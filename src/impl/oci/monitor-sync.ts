/**
 * The supervisor's hold on a monitor: the FIFO that conmon has as its sync pipe and keeps open for as long as it lives. Its
 * path follows from the container, so a supervisor that takes the container up opens it again.
 *
 * Deliberately not here: what a monitor says during create (launcher/sync-pipe.ts).
 */
import { rename } from 'node:fs/promises'
import { Socket } from 'node:net'
import { dirname } from 'node:path'
import type { Container } from '../../container.ts'
import { errnoOf, isError } from '../../errors/index.ts'
import { ensurePrivateDirectory, ioError } from '../../files.ts'
import { FifoEnd } from '../fifo.ts'
import { containerPaths } from './paths.ts'
import type { OciWorld } from './world.ts'

/** Puts a FIFO that a monitor has open to where it is looked for from then on. Throws ERR_IO. */
export async function placeSyncFifo(fifo: string, place: string): Promise<void> {
  try {
    await rename(fifo, place)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw ioError('rename', fifo, error)
    await ensurePrivateDirectory(dirname(place))
    await rename(fifo, place).catch((again: unknown) => {
      throw ioError('rename', fifo, again)
    })
  }
}

/**
 * Resolves when the monitor has died, a moment before it shows as a zombie; never rejects, and not by our own closing.
 * Undefined where there is no such FIFO: a container of an older release, or one whose run directory is gone; and once the
 * implementation is closed, which a create may outlive.
 */
export function watchMonitor(
  world: Pick<OciWorld, 'config' | 'logger' | 'syncPipes' | 'closed'>,
  container: Container,
): Promise<void> | undefined {
  const { syncFifo } = containerPaths(container, world.config, '')
  const { id } = container
  if (world.closed.aborted) return undefined
  let sync: Socket
  try {
    sync = new Socket({ fd: FifoEnd.toRead(syncFifo).take(), readable: true, writable: false })
  } catch (error) {
    const cause = isError(error) ? error.cause : undefined
    if (errnoOf(cause) !== 'ENOENT')
      world.logger.warn({ containerId: id, err: error }, 'the end of a monitor has to be polled for')
    return undefined
  }
  world.syncPipes.get(id)?.destroy()
  world.syncPipes.set(id, sync)
  // An end is only seen by who reads; nothing of interest follows the pid line.
  sync.unref().resume()
  return new Promise((resolve) => {
    sync.once('end', resolve).on('error', () => undefined)
    sync.once('close', () => {
      if (world.syncPipes.get(id) === sync) world.syncPipes.delete(id)
    })
  })
}
