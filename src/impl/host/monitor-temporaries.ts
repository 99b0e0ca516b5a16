/** What a monitor that was killed while it wrote a file left beside it: it writes `<name>.XXXXXX` and renames that. */
import { basename, dirname } from 'node:path'
import { namesIn } from './owner-mark.ts'
import { removeFile } from './remove-file.ts'

/** Those of the exit files of `ids` in one directory. Throws ERR_IO. */
export async function removeExitTemporaries(directory: string, ids: ReadonlySet<string>): Promise<void> {
  for (const name of await namesIn(directory)) {
    const id = writtenName(name)
    // A container's id may look like that of another with such an ending.
    if (id !== undefined && ids.has(id) && !ids.has(name)) await removeFile(`${directory}/${name}`)
  }
}

/** Those of one file that nobody writes any more. Throws ERR_IO. */
export async function removeTemporariesOf(file: string): Promise<void> {
  for (const name of await namesIn(dirname(file))) {
    if (writtenName(name) === basename(file)) await removeFile(`${dirname(file)}/${name}`)
  }
}

function writtenName(temporary: string): string | undefined {
  return /^(.+)\.[A-Za-z0-9]{6}$/.exec(temporary)?.[1]
}
