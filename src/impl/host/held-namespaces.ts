/**
 * The namespaces of a container that a forward enters, held open: what is entered is the container's, whatever becomes of
 * its pid.
 */
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import type { Container } from '../../container.ts'
import { errnoOf, OciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { observeProcess } from '../process-identity.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import type { EnteredNamespaces } from './socat.ts'

export interface HeldNamespaces {
  /** Good for every process until they are closed. */
  readonly paths: EnteredNamespaces
  close(): Promise<void>
}

/**
 * A network namespace with a path of its own is the pod's and outlives the process; but the container must run in either
 * case. The user namespace only where the supervisor is not root. Throws ERR_NOT_RUNNING, ERR_IO.
 */
export async function holdNamespaces(container: Container, init: ProcessIdentity): Promise<HeldNamespaces> {
  const handles: FileHandle[] = []
  const close = async () => {
    for (const handle of handles) await handle.close()
  }
  const hold = async (path: string) => {
    const handle = await openNamespace(container, path)
    handles.push(handle)
    return `/proc/${process.pid}/fd/${handle.fd}`
  }
  try {
    const net = await hold(container.netns ?? `/proc/${init.pid}/ns/net`)
    const user = process.geteuid?.() === 0 ? undefined : await hold(`/proc/${init.pid}/ns/user`)
    // After the opens: the same process lives now, so it was it whose namespaces were opened.
    if ((await observeProcess(init)) === 'gone') throw noPorts(container)
    return { paths: { net, user }, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openNamespace(container: Container, path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    const errno = errnoOf(error)
    if (path !== container.netns && (errno === 'ENOENT' || errno === 'ESRCH')) throw noPorts(container, error)
    throw ioError('open', path, error)
  }
}

/** The container has ended. */
export function noPorts(container: Container, cause?: unknown): OciError {
  const message = `container ${container.id} is not running: it has no ports to forward`
  return new OciError('ERR_NOT_RUNNING', message, { containerId: container.id, cause })
}
