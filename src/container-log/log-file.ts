/** Opening a log and reading it by position. Never waits for anybody: what is no regular file is refused. */
import { constants } from 'node:fs'
import { lstat, open, type FileHandle } from 'node:fs/promises'
import { errnoOf, messageOf, OciError } from '../errors/index.ts'

/** What tells one file from another of the same name, as long as one of them is held open. */
export interface FileIdentity {
  readonly dev: number
  readonly ino: number
}

export interface LogFile extends FileIdentity {
  readonly handle: FileHandle
}

const operation = 'readContainerLog'

/** Undefined when there is no such file. Throws ERR_INVALID_ARGUMENT for a link, FIFO, directory or device, ERR_IO. */
export async function openLogFile(path: string): Promise<LogFile | undefined> {
  // Without O_NONBLOCK the open of a FIFO would wait for a writer, in a thread of the pool.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY
  let handle: FileHandle
  try {
    handle = await open(path, flags)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT') return undefined
    if (errno === 'ELOOP' || errno === 'ENXIO') throw noLog(path, error)
    throw refused('open', path, error)
  }
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) throw noLog(path)
    return { handle, dev: stats.dev, ino: stats.ino }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** What the name stands for now. */
export async function examineLog(path: string): Promise<FileIdentity | undefined> {
  try {
    return await lstat(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw refused('examine', path, error)
  }
}

export function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  return a.ino === b.ino && a.dev === b.dev
}

export async function sizeOf({ handle }: LogFile, path: string): Promise<number> {
  try {
    return (await handle.stat()).size
  } catch (error) {
    throw refused('examine', path, error)
  }
}

/** Whether it is still there under some name: false for a file that was deleted, or that another took the name of. */
export async function hasName({ handle }: LogFile, path: string): Promise<boolean> {
  try {
    return (await handle.stat()).nlink > 0
  } catch (error) {
    throw refused('examine', path, error)
  }
}

/** The bytes from `fromBytes` on, as many as there are and fit. They are in `buffer`. */
export async function readAt(
  { handle }: LogFile,
  buffer: Buffer,
  fromBytes: number,
  lengthBytes: number,
  path: string,
): Promise<Buffer> {
  try {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(lengthBytes, buffer.length), fromBytes)
    return buffer.subarray(0, bytesRead)
  } catch (error) {
    throw refused('read', path, error)
  }
}

function noLog(path: string, cause?: unknown): OciError {
  const message = `log ${path} must be a regular file, not a link, FIFO, directory or device`
  return new OciError('ERR_INVALID_ARGUMENT', message, { operation, field: 'path', file: path, cause })
}

function refused(verb: string, path: string, cause: unknown): OciError {
  const reason = errnoOf(cause) ?? messageOf(cause)
  return new OciError('ERR_IO', `cannot ${verb} log ${path}: ${reason}`, { operation, file: path, cause })
}

export function noSuchLog(path: string): OciError {
  return new OciError('ERR_IO', `there is no log ${path}`, { operation, file: path })
}
