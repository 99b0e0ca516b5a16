/** What a writer of exit files that was killed left beside them. */
import { namesIn } from './owner-mark.ts'
import { removeFile } from './remove-file.ts'

/** conmon writes `<id>.XXXXXX` and renames it; killed in between it leaves that. */
export async function removeExitTemporaries(directory: string, ids: ReadonlySet<string>): Promise<void> {
  for (const name of await namesIn(directory)) {
    const id = /^(.+)\.[A-Za-z0-9]{6}$/.exec(name)?.[1]
    // A container's id may look like that of another with such an ending.
    if (id !== undefined && ids.has(id) && !ids.has(name)) await removeFile(`${directory}/${name}`)
  }
}
