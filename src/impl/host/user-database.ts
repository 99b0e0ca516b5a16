/**
 * What a container's /etc/passwd and /etc/group say, which the container may have filled with anything: they are scanned, and
 * what is kept is what was asked for. Lines that are not as passwd(5) and group(5) have them are passed over, as libc does.
 */
import { OciError } from '../../errors/index.ts'
import { openInRoot, type ContainerRoot } from './container-root.ts'
import { scanLines } from './scan-lines.ts'

/** The highest id is the kernel's "no change". */
export const idMax = 4_294_967_294
/** The kernel's limit for a process. */
export const groupsMax = 65_536

export interface Person {
  /** As the file has it, see {@link nameInFile}. */
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** Whoever has that name or that uid, the first of them. Throws ERR_INVALID_ARGUMENT with the file, ERR_IO. */
export async function findPerson(root: ContainerRoot, asked: string | number): Promise<Person | undefined> {
  const wanted = typeof asked === 'string' ? nameInFile(asked) : asked
  let found: Person | undefined
  await scan(root, 'passwd', (line) => {
    const [name = '', , uidText, gidText] = line.split(':', 4)
    const uid = idOf(uidText)
    const gid = idOf(gidText)
    if (name === '' || uid === undefined || gid === undefined) return false
    if (wanted === name || wanted === uid) found = { name, uid, gid }
    return found !== undefined
  })
  return found
}

/** The gid of the first group of that name. Throws as {@link findPerson}. */
export async function findGroup(root: ContainerRoot, asked: string): Promise<number | undefined> {
  const wanted = nameInFile(asked)
  let found: number | undefined
  await scan(root, 'group', (line) => {
    const [name, , gid] = line.split(':', 3)
    if (name === wanted) found = idOf(gid)
    return found !== undefined
  })
  return found
}

/** The gids of the groups that have this member. Throws as {@link findPerson}. */
export async function groupsOf(root: ContainerRoot, { name: member }: Person): Promise<readonly number[]> {
  const gids = new Set<number>()
  await scan(root, 'group', (line) => {
    const [name = '', , gid, members = ''] = line.split(':', 4)
    const id = idOf(gid)
    // Not split at the commas, of which there may be as many as a line has bytes.
    if (name !== '' && id !== undefined && `,${members},`.includes(`,${member},`)) gids.add(id)
    return gids.size > groupsMax
  })
  if (gids.size <= groupsMax) return [...gids]
  const file = fileOf(root, 'group')
  throw new OciError('ERR_INVALID_ARGUMENT', `${file} has a user in more than ${groupsMax} groups`, { file })
}

/** Byte for byte, as lines are scanned. */
function nameInFile(name: string): string {
  return Buffer.from(name).toString('latin1')
}

function idOf(text = ''): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) <= idMax ? Number(text) : undefined
}

type Database = 'passwd' | 'group'

/** A file that is not there has no lines. */
async function scan(root: ContainerRoot, name: Database, take: (line: string) => boolean): Promise<void> {
  const handle = await openInRoot(root, `etc/${name}`)
  if (handle === undefined) return
  try {
    await scanLines(handle, fileOf(root, name), take)
  } finally {
    await handle.close()
  }
}

function fileOf({ directory }: ContainerRoot, name: Database): string {
  return `${directory}/etc/${name}`
}
