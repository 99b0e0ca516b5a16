/** Removing the files that a shim, its runtime and RuntimeVM made for one container, and no others. */
import { removeTemporaryFiles } from '../../files.ts'
import { allEnded } from '../all-ended.ts'
import { namesIn } from '../host/owner-mark.ts'
import { removeFile } from '../host/remove-file.ts'
import { execIdPattern } from './exec-id.ts'
import { madeInBundle, type VmPaths } from './paths.ts'
import { removeStreamFifos } from './streams/stream-fifos.ts'

/** Succeeds when there is nothing. Throws ERR_IO. Nothing of the container may be running. */
export async function removeMadeFiles(paths: VmPaths): Promise<void> {
  await allEnded([removeContainersFiles(paths), removeShimsTraces(paths)])
}

/** The same, but for what leads to the shim: it may still live. */
export async function removeContainersFiles(paths: VmPaths): Promise<void> {
  await allEnded([removeFromBundle(paths.bundle), removeStreamFifos(paths.streamsDirectory)])
}

async function removeShimsTraces({ addressFile, notesFile }: VmPaths): Promise<void> {
  // Temporary ones are of a supervisor that was killed while it wrote them.
  await allEnded([removeFile(addressFile), removeFile(notesFile), removeTemporaryFiles(notesFile)])
}

/** Of what may be there few are: one look costs less than a try for each. */
async function removeFromBundle(bundle: string): Promise<void> {
  const names = await namesIn(bundle)
  // runc's shim leaves a file for each command that was not deleted.
  const ours = names.filter((name) => madeInBundle.has(name) || execIdPattern.test(name))
  await allEnded(ours.map((name) => removeFile(`${bundle}/${name}`)))
}
