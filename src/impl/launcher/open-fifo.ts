/** The ends of FIFOs that the launcher hands to its children. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants

export type FifoAccess = 'read' | 'write' | 'both'

const modes: Record<FifoAccess, number> = { read: O_RDONLY, write: O_WRONLY, both: O_RDWR }

/**
 * A FIFO's end for a process that knows nothing of it, so without O_NONBLOCK. That open waits for somebody at the other
 * end, who may be gone; so for its duration we are at both ends ourselves.
 */
export function openBlocking(path: string, access: FifoAccess): number {
  const bothEnds = openSync(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW)
  try {
    const fd = openSync(path, modes[access] | O_NOFOLLOW)
    if (fstatSync(fd).isFIFO()) return fd
    closeSync(fd)
    throw Object.assign(new Error('not a FIFO'), { code: 'EINVAL', path })
  } finally {
    closeSync(bothEnds)
  }
}
