/**
 * Who a command runs as. Names are looked up in the container's own /etc/passwd and /etc/group, which whoever is in the
 * container may have replaced by anything (CVE-2024-9676 was a FIFO, earlier ones were links to the host's files). So
 * every step below the root filesystem is opened without following a link and without waiting, the files have to be
 * regular, and only so much is read. Nothing of the root filesystem is executed.
 */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { errnoOf, isOciError, OciError } from '../../errors/index.ts'
import { ioError, readTextFile } from '../../files.ts'
import type { OciProcess } from '../../bundle/oci-spec.ts'
import type { ExecCommand, ExecUser } from '../exec-port.ts'

const databaseMaxBytes = 4 * 1024 * 1024
const idMax = 2 ** 31 - 1

type OciUser = OciProcess['user']

/**
 * The user for an exec. A user given by name has the groups that /etc/group names it in; one given by number has its
 * group from /etc/passwd, 0 if it is not there, as with the other engines. Throws ERR_INVALID_ARGUMENT with the field.
 */
export async function execUser(
  { user, additionalGids = [] }: Pick<ExecCommand, 'user' | 'additionalGids'>,
  own: OciUser,
  rootfs: string,
): Promise<OciUser> {
  additionalGids.forEach((gid, index) => checkId(gid, `additionalGids.${index}`))
  const found = await baseUser(user, own, rootfs)
  const gids = [...new Set([...(found.additionalGids ?? []), ...additionalGids])]
  const { umask } = own
  return {
    uid: found.uid,
    gid: found.gid,
    ...(umask === undefined ? {} : { umask }),
    ...(gids.length === 0 ? {} : { additionalGids: gids }),
  }
}

async function baseUser(user: ExecCommand['user'], own: OciUser, rootfs: string): Promise<ExecUser> {
  if (user === undefined) return own
  if (typeof user === 'string') return lookUp(user, rootfs)
  checkId(user.uid, 'user.uid')
  checkId(user.gid, 'user.gid')
  user.additionalGids?.forEach((gid, index) => checkId(gid, `user.additionalGids.${index}`))
  return user
}

async function lookUp(text: string, rootfs: string): Promise<ExecUser> {
  const [, name, group] = /^([^:\0\n]+)(?::([^:\0\n]+))?$/.exec(text) ?? []
  if (name === undefined)
    throw wrongUser(`user ${JSON.stringify(text)} must be uid, uid:gid, name or name:group`)
  const uid = idOf(name)
  const gid = group === undefined ? undefined : idOf(group)
  // Both by number: nothing to look up, so an image without /etc is no obstacle.
  if (uid !== undefined && gid !== undefined) return { uid, gid }
  const person = parsePasswd(await readDatabase(rootfs, 'passwd')).find((entry) =>
    uid === undefined ? entry.name === name : entry.uid === uid,
  )
  if (person === undefined && uid === undefined)
    throw wrongUser(`there is no user ${name} in the container's /etc/passwd`)
  const groups = uid !== undefined && gid !== undefined ? [] : parseGroup(await readDatabase(rootfs, 'group'))
  if (group !== undefined) {
    const given = gid ?? groups.find((entry) => entry.name === group)?.gid
    if (given === undefined) throw wrongUser(`there is no group ${group} in the container's /etc/group`)
    return { uid: uid ?? person?.uid ?? 0, gid: given }
  }
  const memberOf = person === undefined ? [] : groups.filter(({ members }) => members.includes(person.name))
  return {
    uid: uid ?? person?.uid ?? 0,
    gid: person?.gid ?? 0,
    additionalGids: memberOf.map((entry) => entry.gid),
  }
}

/** A number that is no id stays a name, and is then unknown. */
function idOf(text: string): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined
  const id = Number(text)
  if (id > idMax) throw wrongUser(`id ${text} must be a whole number from 0 to ${idMax}`)
  return id
}

interface Person {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** The lines that are as passwd(5) has them; others are passed over, as libc does. */
function parsePasswd(text: string): readonly Person[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , uid = '', gid = ''] = line.split(':')
    return name !== '' && isId(uid) && isId(gid) ? [{ name, uid: Number(uid), gid: Number(gid) }] : []
  })
}

interface Group {
  readonly name: string
  readonly gid: number
  readonly members: readonly string[]
}

function parseGroup(text: string): readonly Group[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , gid = '', members = ''] = line.split(':')
    return name !== '' && isId(gid) ? [{ name, gid: Number(gid), members: members.split(',') }] : []
  })
}

function isId(text: string): boolean {
  return /^\d{1,10}$/.test(text) && Number(text) <= idMax
}

/** The text of `<rootfs>/etc/<name>`, '' when there is none. */
async function readDatabase(rootfs: string, name: 'passwd' | 'group'): Promise<string> {
  const file = `${rootfs}/etc/${name}`
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  try {
    const etc = await open(`${rootfs}/etc`, flags)
    try {
      // By the open directory: a link put in its place meanwhile leads nowhere.
      const path = `/proc/self/fd/${etc.fd}/${name}`
      return (await readTextFile(path, { maxBytes: databaseMaxBytes, code: 'ERR_INVALID_ARGUMENT' })) ?? ''
    } finally {
      await etc.close()
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return ''
    if (isOciError(error) || errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'ELOOP')
      throw wrongUser(`${file} cannot be used to look up a name; give uid:gid instead`, file, error)
    throw ioError('open', `${rootfs}/etc`, error)
  }
}

function checkId(id: number, field: string): void {
  if (Number.isInteger(id) && id >= 0 && id <= idMax) return
  throw new OciError(
    'ERR_INVALID_ARGUMENT',
    `${field} must be a whole number from 0 to ${idMax}, got ${id}`,
    {
      field,
    },
  )
}

function wrongUser(message: string, file?: string, cause?: unknown): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', message, { field: 'user', file, cause })
}
