/**
 * Names of files and directories that live no longer than their supervisor: they begin with who that is, so that what a
 * killed one left behind can be told from what another one is using.
 */
import { readdir } from 'node:fs/promises'
import { errnoOf } from '../../errors/index.ts'
import { ioError, listPrivateDirectory } from '../../files.ts'
import { observeProcess, readIdentitySync } from '../process-identity.ts'

/** `<our pid>-<our start time>-<rest>` */
export function markedName(rest: string): string {
  return `${process.pid}-${readIdentitySync(process.pid)?.startTicks ?? '0'}-${rest}`
}

/** Paths in `directory`, which has to be ours, whose owner is no more. Throws ERR_INVALID_ARGUMENT, ERR_IO. */
export async function abandonedIn(directory: string): Promise<readonly string[]> {
  const abandoned: string[] = []
  for (const name of await listPrivateDirectory(directory)) {
    const [, pid, startTicks] = /^(\d+)-(\d+)-/.exec(name) ?? []
    if (pid === undefined || startTicks === undefined) continue
    if ((await observeProcess({ pid: Number(pid), startTicks })) === 'gone') {
      abandoned.push(`${directory}/${name}`)
    }
  }
  return abandoned
}

/** Nothing where there is no such directory. Throws ERR_IO. */
export async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw ioError('list', directory, error)
  }
}
