/**
 * Reading and writing files that others may have tampered with or that must survive a crash: bounded reads that never
 * follow a link or block on a FIFO, atomic writes, private directories.
 *
 * Deliberately not here: what the files contain.
 */
import { randomBytes } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { access, lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { errnoOf, isOciError, messageOf, OciError } from './errors/index.ts'
import type { ErrorCode } from './errors/index.ts'

export interface ReadTextOptions {
  readonly maxBytes: number
  /** The code for a file that is not what it should be: a link, a FIFO, too large, not UTF-8. */
  readonly code: ErrorCode
  /** True refuses a file that belongs to, or can be written by, somebody else: what it says is not ours. Default false. */
  readonly isPrivate?: boolean
}

const chunkBytes = 65_536

/**
 * The text of a regular file, or undefined when there is no such file. Any other refusal of the system is ERR_IO: an
 * error is never read as absence.
 */
export async function readTextFile(path: string, options: ReadTextOptions): Promise<string | undefined> {
  const handle = await openForReading(path, options.code)
  if (handle === undefined) return undefined
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) throw misfit(options.code, path, 'is not a regular file')
    if (stats.size > options.maxBytes) throw tooLarge(path, options)
    if (options.isPrivate === true) refuseForeign(stats, path, options.code)
    return await readAtMost(handle, stats.size, path, options)
  } catch (error) {
    throw ioError('read', path, error)
  } finally {
    await handle.close()
  }
}

async function openForReading(path: string, code: ErrorCode): Promise<FileHandle | undefined> {
  // Without O_NONBLOCK the open of a FIFO would hold a thread of the pool until somebody writes to it.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY
  try {
    return await open(path, flags)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT') return undefined
    if (errno === 'ELOOP') throw misfit(code, path, 'is a symbolic link, it must be a regular file', error)
    if (errno === 'ENXIO') throw misfit(code, path, 'is not a regular file', error)
    throw ioError('read', path, error)
  }
}

function refuseForeign(stats: Stats, path: string, code: ErrorCode): void {
  const reason = foreignFile(stats)
  if (reason !== undefined) throw misfit(code, path, reason)
}

interface Ownership {
  readonly uid: number
  readonly gid: number
  readonly mode: number
}

/** Why what a file says is not ours to believe; undefined when it is. */
export function foreignFile(stats: Ownership): string | undefined {
  if ((stats.mode & 0o022) !== 0) return foreignOwner(stats) ?? 'is writable for others, it must be private'
  return foreignOwner(stats)
}

/**
 * Why the names in a directory are not ours to believe. One that is writable for our own group is: where every user has a
 * group of its own, that is how directories are made.
 */
export function foreignDirectory(stats: Ownership): string | undefined {
  const { gid, mode } = stats
  if ((mode & 0o002) !== 0) return foreignOwner(stats) ?? 'is writable for everybody, it must be private'
  if ((mode & 0o020) !== 0 && gid !== process.getegid?.())
    return foreignOwner(stats) ?? `is writable for group ${gid}, it must be private`
  return foreignOwner(stats)
}

function foreignOwner({ uid }: Ownership): string | undefined {
  const own = process.geteuid?.()
  if (own === undefined || uid === own) return undefined
  return `belongs to user ${uid}, it must belong to user ${own}`
}

/** Counts what it reads instead of trusting the size: the file may grow, and files of /proc have size 0. */
async function readAtMost(
  handle: FileHandle,
  sizeBytes: number,
  path: string,
  options: ReadTextOptions,
): Promise<string> {
  // Chunk by chunk: a large file, decoded at once, would hold up the event loop.
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let text = ''
  let totalBytes = 0
  for (;;) {
    // One byte more than there should be: less than was asked for is the end, and needs no second look.
    const askedBytes = sizeBytes > 0 ? Math.min(sizeBytes + 1, chunkBytes) : chunkBytes
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(askedBytes), 0, askedBytes)
    totalBytes += bytesRead
    if (totalBytes > options.maxBytes) throw tooLarge(path, options)
    const isWhole = sizeBytes > 0 && totalBytes >= sizeBytes && bytesRead < askedBytes
    const isEnd = bytesRead === 0 || isWhole
    try {
      text += decoder.decode(buffer.subarray(0, bytesRead), { stream: !isEnd })
    } catch (error) {
      throw misfit(options.code, path, 'is not UTF-8', error)
    }
    if (isEnd) return text
  }
}

export interface WriteTextOptions {
  /**
   * False skips fsync: the file is still never seen half written, but may be lost with the power. `'file'` leaves out the
   * directory, for a caller that syncs it once for several files. Default true.
   */
  readonly sync?: boolean | 'file'
}

/**
 * Writes a file (mode 0600) so that readers, and a restart after a crash, see the old text or the new and nothing else:
 * a temporary file beside it, fsync, rename, fsync of the directory. Throws ERR_IO and leaves no temporary file.
 * Concurrent writers of one path do not tear each other's text, but which one is last is theirs to agree on.
 */
export async function writeTextFile(
  path: string,
  text: string,
  options: WriteTextOptions = {},
): Promise<void> {
  const sync = options.sync ?? true
  const temporary = temporaryPath(path)
  try {
    await writeNew(temporary, text, sync !== false)
    await rename(temporary, path)
    if (sync === true) await syncDirectory(dirname(path))
  } catch (error) {
    throw ioError('write', path, await withoutTemporary(temporary, error))
  }
}

/** Removes the temporary file of a failed write; the first failure is the one to report, a second one joins it. */
async function withoutTemporary(temporary: string, first: unknown): Promise<unknown> {
  try {
    await unlinkIfThere(temporary)
    return first
  } catch (second) {
    return Object.assign(new AggregateError([first, second], String(first)), { code: errnoOf(first) })
  }
}

async function writeNew(path: string, text: string, sync: boolean): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const handle = await open(path, flags, 0o600)
  try {
    await handle.writeFile(text, 'utf8')
    if (sync) await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes a rename or an unlink in `path` durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Removes the temporary files that a crash left behind while `path` was being written. Nobody may be writing it now. */
export async function removeTemporaryFiles(path: string): Promise<void> {
  const { prefix, suffix } = temporaryName(path)
  await removeThose(dirname(path), (name) => name.startsWith(prefix) && name.endsWith(suffix))
}

/** The same for every file of a directory. */
export async function removeAllTemporaryFiles(directory: string): Promise<void> {
  await removeThose(directory, isTemporaryName)
}

/** True for the names that {@link writeTextFile} gives to what is not a file yet. */
export function isTemporaryName(name: string): boolean {
  return /^\..+\.[0-9a-f]{16}\.tmp$/.test(name)
}

async function removeThose(directory: string, chosen: (name: string) => boolean): Promise<void> {
  const names = await readdir(directory).catch((error: unknown) => {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return []
    throw ioError('list', directory, error)
  })
  for (const name of names.filter(chosen)) await unlinkIfThere(join(directory, name))
}

function temporaryName(path: string): { prefix: string; suffix: string } {
  return { prefix: `.${basename(path)}.`, suffix: '.tmp' }
}

function temporaryPath(path: string): string {
  const { prefix, suffix } = temporaryName(path)
  return join(dirname(path), `${prefix}${randomBytes(8).toString('hex')}${suffix}`)
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno !== 'ENOENT' && errno !== 'ENOTDIR') throw ioError('remove', path, error)
  }
}

/**
 * Creates a directory and its missing parents with mode 0700. One that exists is taken as it is, but refused with
 * ERR_INVALID_ARGUMENT when it is a symbolic link, not a directory, another user's, or writable for everybody or for a
 * group that is not ours: who can write there decides what a restart believes. What the system refuses is ERR_IO, also when we cannot write there (a
 * read-only mount, an immutable directory). `field` is the caller's name for it.
 */
export async function ensurePrivateDirectory(path: string, field = 'path'): Promise<void> {
  try {
    await makePrivateDirectory(path)
  } catch (error) {
    if (!isOciError(error)) throw error
    const message = field === 'path' ? error.message : `${field}: ${error.message}`
    throw new OciError(error.code, message, { field, file: error.file, cause: error.cause })
  }
}

async function makePrivateDirectory(path: string): Promise<void> {
  if (!path.startsWith('/') || path.includes('\0')) {
    throw unfitDirectory(path, 'must be an absolute path')
  }
  // lstat and mkdir follow a link when its name ends in a slash.
  const name = path.replace(/(?<=[^/])\/+$/, '')
  const refused: unknown = await makeDirectories(name).catch((error: unknown) => error)
  const stats = await lstat(name).catch((error: unknown) => {
    // Without a directory to look at, why it could not be made is what the caller needs to know.
    throw ioError('create directory', name, refused ?? error)
  })
  refuseUnfit(stats, name)
  await access(name, constants.W_OK | constants.X_OK).catch((error: unknown) => {
    throw ioError('write to directory', name, error)
  })
}

function refuseUnfit(stats: Stats, name: string): void {
  if (stats.isSymbolicLink()) throw unfitDirectory(name, 'is a symbolic link, it must be a directory')
  if (!stats.isDirectory()) throw unfitDirectory(name, 'is not a directory')
  const reason = foreignDirectory(stats)
  if (reason !== undefined) throw unfitDirectory(name, reason)
}

/**
 * The names in a directory of ours, none where there is no such directory. Refused like {@link ensurePrivateDirectory}: a
 * link would lead to files of others, which are removed or believed by their names.
 */
export async function listPrivateDirectory(path: string): Promise<readonly string[]> {
  try {
    refuseUnfit(await lstat(path), path)
    return await readdir(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw ioError('list', path, error)
  }
}

/** Not Node's own `recursive`, which never returns where every mkdir is answered with ENOENT, as below /proc. */
async function makeDirectories(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
    return
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EEXIST') return
    if (errno !== 'ENOENT' || dirname(path) === path) throw error
  }
  await makeDirectories(dirname(path))
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    // Somebody else made it meanwhile.
    if (errnoOf(error) !== 'EEXIST') throw error
  })
}

/** ERR_IO for a file operation that the system refused; an OciError is itself. */
export function ioError(verb: string, path: string, error: unknown): OciError {
  if (isOciError(error)) return error
  const reason = errnoOf(error) ?? messageOf(error)
  return new OciError('ERR_IO', `cannot ${verb} ${path}: ${reason}`, { file: path, cause: error })
}

function unfitDirectory(path: string, reason: string, cause?: unknown): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', `directory ${path} ${reason}`, {
    field: 'path',
    file: path,
    cause,
  })
}

function misfit(code: ErrorCode, path: string, reason: string, cause?: unknown): OciError {
  return new OciError(code, `${path} ${reason}`, { file: path, cause })
}

function tooLarge(path: string, options: ReadTextOptions): OciError {
  return misfit(options.code, path, `is larger than ${options.maxBytes} bytes`)
}
