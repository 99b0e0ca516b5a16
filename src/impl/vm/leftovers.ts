/** Removing the files that a shim, its runtime and RuntimeVM made for one container, and no others. */
import { readdir } from 'node:fs/promises'
import { errnoOf } from '../../errors/index.ts'
import { ioError, removeTemporaryFiles } from '../../files.ts'
import { allEnded } from '../all-ended.ts'
import { removeFile } from '../host/remove-file.ts'
import { execIdPattern } from './exec-id.ts'
import { madeFiles, type VmPaths } from './paths.ts'
import { removeStreamFifos } from './streams/stream-fifos.ts'

/** Succeeds when there is nothing. Throws ERR_IO. Nothing of the container may be running. */
export async function removeMadeFiles(paths: VmPaths): Promise<void> {
  const files = [...madeFiles(paths), ...(await execPidFiles(paths.bundle))]
  await allEnded([
    ...files.map(removeFile),
    removeStreamFifos(paths.streamsDirectory),
    // Of a supervisor that was killed while it wrote them.
    removeTemporaryFiles(paths.notesFile),
  ])
}

/** runc's shim leaves one for each command that was not deleted. */
async function execPidFiles(bundle: string): Promise<readonly string[]> {
  try {
    const names = await readdir(bundle)
    return names.filter((name) => execIdPattern.test(name)).map((name) => `${bundle}/${name}`)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw ioError('list', bundle, error)
  }
}
