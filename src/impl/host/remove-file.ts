/** Removing one file that is ours, if it is there. */
import { unlink } from 'node:fs/promises'
import { errnoOf } from '../../errors/index.ts'
import { ioError } from '../../files.ts'

export async function removeFile(file: string): Promise<void> {
  try {
    await unlink(file)
  } catch (error) {
    const errno = errnoOf(error)
    // EISDIR: somebody has a directory of that name in the bundle; conmon never makes one.
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'EISDIR') return
    throw ioError('remove', file, error)
  }
}
