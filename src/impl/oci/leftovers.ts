/** Removing the files that conmon, the runtime and RuntimeOCI made for one container, and no others. */
import { readlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { errnoOf } from '../../errors/index.ts'
import { ioError, removeTemporaryFiles } from '../../files.ts'
import { removeTemporariesOf } from '../host/monitor-temporaries.ts'
import { removeFile } from '../host/remove-file.ts'
import { type ContainerPaths, madeFiles } from './paths.ts'

/** Succeeds when there is nothing. Throws ERR_IO. Nothing of the container may be running: its monitor needs them. */
export async function removeMadeFiles(paths: ContainerPaths): Promise<void> {
  for (const file of madeFiles(paths)) {
    if (file === paths.attachLink && !(await pointsTo(file, paths.bundle))) continue
    await removeFile(file)
  }
  // Of a supervisor, a monitor or a runtime that was killed while it wrote them.
  await removeTemporaryFiles(paths.notesFile)
  await removeTemporariesOf(paths.monitorPidFile)
  await removeTemporariesOf(paths.persistedExitFile)
  await removeTemporariesOf(paths.consoleSocket)
  await removeFile(runtimeTemporary(paths.initPidFile))
}

/** runc writes its pid file to `.pidfile` first, and renames it. */
function runtimeTemporary(file: string): string {
  return join(dirname(file), `.${basename(file)}`)
}

/** A link to another bundle belongs to another container of that id, with another runtime or supervisor. */
async function pointsTo(link: string, target: string): Promise<boolean> {
  try {
    return (await readlink(link)) === target
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'EINVAL' || errno === 'ENOTDIR') return false
    throw ioError('read link', link, error)
  }
}
