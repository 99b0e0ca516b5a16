/**
 * Whether a created container was started, without asking the runtime: its init waits at a FIFO in the runtime's own state
 * of the container, which crun and runc remove at the start, and by which they tell themselves.
 */
import { lstat } from 'node:fs/promises'
import { errnoOf } from '../../errors/index.ts'
import { ioError } from '../../files.ts'

/** False also for a runtime that has no such FIFO: what is not seen to wait has to be asked for. Throws ERR_IO. */
export async function waitsForStart(runtimeStateDirectory: string): Promise<boolean> {
  const path = `${runtimeStateDirectory}/exec.fifo`
  try {
    return (await lstat(path)).isFIFO()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw ioError('examine', path, error)
  }
}
