/**
 * A container's log as a file: whole lines are appended to it, it is begun anew at its size limit, and reopened after
 * the embedder has renamed it.
 *
 * Invariant: it ends with a whole line. What a full disk took of a line is cut off again, and what a killed supervisor
 * left is completed or cut off when the next one opens it.
 *
 * Deliberately not here: what becomes of output that the disk does not take (log-writer.ts).
 */
import { constants } from 'node:fs'
import { lstat, open, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { headMaxBytes, parseHead } from '../../../container-log/parse-log.ts'
import { errnoOf, OciError } from '../../../errors/index.ts'
import { ioError } from '../../../files.ts'
import { pieceMaxBytes } from './log-lines.ts'

export interface LogFileSpec {
  readonly containerId: string
  readonly path: string
  /** Negative: no limit. */
  readonly sizeMaxBytes: number
}

export interface Appended {
  /** Of whole lines that are in the file. */
  readonly writtenBytes: number
  /** Why the others are not. */
  readonly error?: unknown
}

const newline = 10
const { O_RDWR, O_APPEND, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants
const appendFlags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY

export class LogFile {
  readonly #spec: LogFileSpec
  #handle: FileHandle | undefined
  #sizeBytes = 0
  /** Of a line that could not be cut off so far. */
  #tornBytes = 0
  /** There is something that was not synced. */
  #isDirty = false

  constructor(spec: LogFileSpec) {
    this.#spec = spec
  }

  /** Goes on in a log that is there. Throws ERR_INVALID_ARGUMENT (field `logPath`), ERR_IO. */
  async open(): Promise<void> {
    if (this.#handle !== undefined) return
    const handle = await this.#openAt(this.#spec.path, appendFlags)
    try {
      this.#sizeBytes = await mendEnd(handle)
    } catch (error) {
      await handle.close()
      throw ioError('read', this.#spec.path, error)
    }
    this.#handle = handle
  }

  /** Appends lines, and tells how far it came. Never rejects. Opens the log if that has failed so far. */
  async append(lines: Buffer): Promise<Appended> {
    let doneBytes = 0
    try {
      await this.open()
      await this.#cutTorn()
      while (doneBytes < lines.length) {
        const partBytes = this.#fitting(lines.subarray(doneBytes))
        if (partBytes === 0) await this.#beginAnew()
        for (const endBytes = doneBytes + partBytes; doneBytes < endBytes;) {
          doneBytes += await this.#write(lines.subarray(doneBytes, endBytes))
        }
      }
      return { writtenBytes: doneBytes }
    } catch (error) {
      const writtenBytes = lines.subarray(0, doneBytes).lastIndexOf(newline) + 1
      this.#tornBytes += doneBytes - writtenBytes
      // It is tried again before the next line.
      await this.#cutTorn().catch(() => undefined)
      return { writtenBytes, error }
    }
  }

  /**
   * Has a new file at the log's path, from where the old one was renamed. Nothing to do where the log is empty. Throws
   * ERR_INVALID_ARGUMENT (field `logPath`) when there is a log that is not ours to go on with, ERR_IO.
   */
  async reopen(): Promise<void> {
    if ((await this.#lookBeforeReopen()) === 'current and empty') return
    const handle = await this.#openAt(this.#spec.path, appendFlags)
    if ((await handle.stat()).size > 0) {
      await handle.close()
      throw this.#wrong('has been written by somebody else meanwhile; move it away')
    }
    await this.#replaceHandle(handle)
  }

  /** What is written is on the disk itself then; where nothing is, nobody waits for the disk. Throws ERR_IO. */
  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    if (handle === undefined) return
    try {
      if (this.#isDirty) await handle.sync()
      this.#isDirty = false
    } catch (error) {
      throw ioError('sync', this.#spec.path, error)
    } finally {
      await handle.close()
    }
  }

  /** How many of these bytes are written before the log is begun anew: whole lines, none when the first does not fit. */
  #fitting(lines: Buffer): number {
    const { sizeMaxBytes } = this.#spec
    const roomBytes = sizeMaxBytes - this.#sizeBytes
    if (sizeMaxBytes < 0 || lines.length <= roomBytes) return lines.length
    const wholeBytes = roomBytes < 1 ? 0 : lines.lastIndexOf(newline, roomBytes - 1) + 1
    // A line that fits in no log at all has one of its own.
    return wholeBytes === 0 && this.#sizeBytes === 0 ? lines.indexOf(newline) + 1 : wholeBytes
  }

  async #write(bytes: Buffer): Promise<number> {
    if (this.#handle === undefined) throw new Error('the log is closed')
    this.#isDirty = true
    const { bytesWritten } = await this.#handle.write(bytes)
    this.#sizeBytes += bytesWritten
    return bytesWritten
  }

  /** From the file's end, not to a size of our own: somebody may have made it shorter (copytruncate). */
  async #cutTorn(): Promise<void> {
    const handle = this.#handle
    if (this.#tornBytes === 0 || handle === undefined) return
    const { size } = await handle.stat()
    await handle.truncate(Math.max(0, size - this.#tornBytes))
    this.#sizeBytes -= this.#tornBytes
    this.#tornBytes = 0
  }

  /** As conmon does: a new file takes the place of the old one, which whoever reads it has to its end. */
  async #beginAnew(): Promise<void> {
    const { path } = this.#spec
    const temporary = `${path}.tmp`
    const handle = await this.#openAt(temporary, appendFlags | O_TRUNC)
    try {
      await rename(temporary, path)
    } catch (error) {
      await handle.close()
      await rm(temporary, { force: true })
      throw ioError('replace', path, error)
    }
    await this.#replaceHandle(handle)
  }

  async #replaceHandle(handle: FileHandle): Promise<void> {
    const old = this.#handle
    this.#handle = handle
    this.#sizeBytes = 0
    this.#tornBytes = 0
    // What it had to say (EIO on a network's file system) is about lines that are written.
    await old?.close().catch(() => undefined)
  }

  async #lookBeforeReopen(): Promise<'current and empty' | 'replaceable'> {
    const { path } = this.#spec
    const log = await lstat(path).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
      throw ioError('examine', path, error)
    })
    if (log === undefined) return 'replaceable'
    if (!log.isFile()) throw this.#wrong('must be a regular file, not a link or a device')
    const own = await this.#handle?.stat()
    const isCurrent = own !== undefined && own.ino === log.ino && own.dev === log.dev
    if (log.size === 0) return isCurrent ? 'current and empty' : 'replaceable'
    throw this.#wrong(
      isCurrent
        ? 'is the log that is being written; rename it first'
        : 'is not empty and not the log that is being written; move it away',
    )
  }

  async #openAt(path: string, flags: number): Promise<FileHandle> {
    let handle: FileHandle
    try {
      handle = await open(path, flags, 0o600)
    } catch (error) {
      throw this.#notOpened(path, error)
    }
    if ((await handle.stat()).isFile()) return handle
    await handle.close()
    throw this.#wrong('must be a regular file, not a link or a device')
  }

  #notOpened(path: string, error: unknown): OciError {
    const errno = errnoOf(error)
    if (errno === 'ELOOP' || errno === 'EISDIR' || errno === 'ENXIO') {
      return this.#wrong('must be a regular file, not a link or a device', error)
    }
    if (errno !== 'ENOENT' && errno !== 'ENOTDIR') return ioError('open', path, error)
    return this.#wrong('must be in a directory that exists', error)
  }

  #wrong(rule: string, cause?: unknown): OciError {
    const { containerId, path } = this.#spec
    return new OciError('ERR_INVALID_ARGUMENT', `log path ${path} ${rule}`, {
      containerId,
      field: 'logPath',
      file: path,
      cause,
    })
  }
}

/** A supervisor that is killed may leave part of a line. Returns the size. */
async function mendEnd(handle: FileHandle): Promise<number> {
  const { size } = await handle.stat()
  const lookBytes = Math.min(size, headMaxBytes + pieceMaxBytes + 2)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(lookBytes), 0, lookBytes, size - lookBytes)
  const last = buffer.subarray(0, bytesRead)
  const torn = last.subarray(last.lastIndexOf(newline) + 1)
  if (torn.length === 0) return size
  // Without a whole head it is nothing that anybody could read.
  if (torn.length < last.length && parseHead(torn) === undefined) {
    await handle.truncate(size - torn.length)
    return size - torn.length
  }
  await handle.write(Buffer.of(newline))
  return size + 1
}

/** Of the disk that a log is on; 0 when that cannot be known. */
export async function deviceOf(path: string): Promise<number> {
  return stat(dirname(path)).then(
    ({ dev }) => dev,
    () => 0,
  )
}
