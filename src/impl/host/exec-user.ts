/**
 * Who a command runs as. Names are looked up in the container's own /etc/passwd and /etc/group, those that its processes
 * see; nothing of its root filesystem is executed. How the files are read safely is in container-root.ts and
 * user-database.ts.
 */
import { isOciError, OciError } from '../../errors/index.ts'
import type { OciProcess } from '../../bundle/oci-spec.ts'
import type { ExecCommand, ExecUser } from '../exec-port.ts'
import { whileRunning, type ContainerRoot } from './container-root.ts'
import { findGroup, findPerson, groupsMax, groupsOf, idMax, type Person } from './user-database.ts'

type OciUser = OciProcess['user']

/**
 * The user for an exec. One given by name, or by a uid alone, has the groups that the container's files say; a uid that they
 * do not have has group 0, as with the other engines. The container's `additionalGids` are its own user's, and no other's.
 * Throws ERR_INVALID_ARGUMENT with the field, ERR_NOT_RUNNING when the container has ended, ERR_IO.
 */
export async function execUser(
  { user, additionalGids = [] }: Pick<ExecCommand, 'user' | 'additionalGids'>,
  own: OciUser,
  root: ContainerRoot,
): Promise<OciUser> {
  checkIds(additionalGids, 'additionalGids')
  const found = await baseUser(user, own, root)
  const gids = [...new Set([...(found.additionalGids ?? []), ...additionalGids])]
  const { umask } = own
  return {
    uid: found.uid,
    gid: found.gid,
    ...(umask === undefined ? {} : { umask }),
    ...(gids.length === 0 ? {} : { additionalGids: gids }),
  }
}

async function baseUser(user: ExecCommand['user'], own: OciUser, root: ContainerRoot): Promise<ExecUser> {
  if (user === undefined) return own
  if (typeof user === 'string') return lookUp(user, root)
  checkId(user.uid, 'user.uid')
  checkId(user.gid, 'user.gid')
  checkIds(user.additionalGids ?? [], 'user.additionalGids')
  return user
}

async function lookUp(text: string, root: ContainerRoot): Promise<ExecUser> {
  const [, name, group] = /^([^:\0\n]+)(?::([^:\0\n]+))?$/.exec(text) ?? []
  if (name === undefined)
    throw wrongUser(`user ${JSON.stringify(text)} must be uid, uid:gid, name or name:group`)
  const uid = idOf(name)
  const gid = group === undefined ? undefined : idOf(group)
  // Both by number: nothing to look up, so an image without /etc is no obstacle.
  if (uid !== undefined && gid !== undefined) return { uid, gid }
  try {
    return await whileRunning(root, () => lookUpIn(root, uid ?? name, gid ?? group))
  } catch (error) {
    if (!isUnusable(error)) throw error
    throw wrongUser(`${error.message}, so no name can be looked up; give uid:gid instead`, error)
  }
}

async function lookUpIn(
  root: ContainerRoot,
  who: string | number,
  group: string | number | undefined,
): Promise<ExecUser> {
  if (group !== undefined) {
    const gid = typeof group === 'number' ? group : await findGroup(root, group)
    if (gid === undefined) throw wrongUser(`there is no group ${group} in the container's /etc/group`)
    return { uid: typeof who === 'number' ? who : (await personOf(root, who)).uid, gid }
  }
  if (typeof who === 'string') {
    const person = await personOf(root, who)
    return { ...idsOf(person), additionalGids: await groupsOf(root, person) }
  }
  // A number needs no file, so one that cannot be used is none.
  const person = await findPerson(root, who).catch((error: unknown) => ifUnusable(error, undefined))
  if (person === undefined) return { uid: who, gid: 0 }
  const gids = await groupsOf(root, person).catch((error: unknown) => ifUnusable(error, []))
  return { ...idsOf(person), additionalGids: gids }
}

async function personOf(root: ContainerRoot, name: string): Promise<Person> {
  const person = await findPerson(root, name)
  if (person !== undefined) return person
  throw wrongUser(`there is no user ${name} in the container's /etc/passwd`)
}

function idsOf({ uid, gid }: Person): ExecUser {
  return { uid, gid }
}

/**
 * Digits are an id, and what some program takes for a number is never a name: it would be whoever the container's passwd says
 * that it is, root for one (CVE-2026-46680).
 */
function idOf(text: string): number | undefined {
  if (/^\d+$/.test(text) && Number(text) <= idMax) return Number(text)
  if (Number.isNaN(Number(text)) && !/^[+-]/.test(text)) return undefined
  throw wrongUser(`${JSON.stringify(text)} must be a name, or an id: digits from 0 to ${idMax}`)
}

/** The file is no regular one, too large, or behind links that lead nowhere. */
function isUnusable(error: unknown): error is OciError {
  return isOciError(error) && error.code === 'ERR_INVALID_ARGUMENT' && error.file !== undefined
}

function ifUnusable<Instead>(error: unknown, instead: Instead): Instead {
  if (isUnusable(error)) return instead
  throw error
}

function checkIds(ids: readonly number[], field: string): void {
  const given: unknown = ids
  if (!Array.isArray(given) || given.length > groupsMax)
    throw invalid(field, `${field} must be a list of at most ${groupsMax} ids`)
  ids.forEach((id, index) => checkId(id, `${field}.${index}`))
}

function checkId(id: number, field: string): void {
  if (Number.isInteger(id) && id >= 0 && id <= idMax) return
  throw invalid(field, `${field} must be a whole number from 0 to ${idMax}, got ${id}`)
}

function wrongUser(message: string, cause?: OciError): OciError {
  return invalid('user', message, cause)
}

function invalid(field: string, message: string, cause?: OciError): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', message, { field, file: cause?.file, cause })
}
