/**
 * Reads one exit file as conmon leaves it: `<directory>/<id>` with the exit code in decimal.
 *
 * Whatever else stands there (a FIFO, a link, a gigabyte, half a line, another user's file) never hangs, never costs memory
 * and never counts.
 * Deliberately not here: which files are looked for, when, and what an unreadable one means for its container.
 */
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import type { Timestamp } from '../container.ts'
import { errnoOf } from '../errors/index.ts'
import { foreignFile } from '../files.ts'
import { timestampFromNs } from '../timestamp.ts'

/** What a path holds. `version` tells one exit file from the one that takes its place later. */
export type ExitFileReading =
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly why: string; readonly cause?: unknown }
  | { readonly kind: 'exit'; readonly code: number; readonly finished: Timestamp; readonly version: string }

/** conmon writes one to three bytes; a file that fills this is none of its files. */
const exitFileMaxBytes = 64

/**
 * O_NONBLOCK: opening a FIFO without a writer would hold one of libuv's four threads for ever.
 * O_NOFOLLOW: conmon never makes a link, so a link is somebody else's idea of an exit.
 */
const openFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW | constants.O_NOCTTY

/** Never rejects: an error of the file system is `unreadable`, and only ENOENT is `absent`. */
export async function readExitFile(path: string): Promise<ExitFileReading> {
  try {
    const handle = await open(path, openFlags)
    try {
      return await readHandle(handle)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { kind: 'absent' }
    return { kind: 'unreadable', why: errnoOf(error) ?? 'unexpected error', cause: error }
  }
}

/** Tells one file from another of the same name, also when its inode number is used again. */
export function fileVersion(stat: {
  readonly dev: bigint
  readonly ino: bigint
  readonly mtimeNs: bigint
}): string {
  return `${stat.dev}:${stat.ino}:${stat.mtimeNs}`
}

async function readHandle(handle: FileHandle): Promise<ExitFileReading> {
  const stat = await handle.stat({ bigint: true })
  if (!stat.isFile()) return { kind: 'unreadable', why: 'not a regular file' }
  // Monitors run as we do.
  const foreign = foreignFile({ uid: Number(stat.uid), gid: Number(stat.gid), mode: Number(stat.mode) })
  if (foreign !== undefined) return { kind: 'unreadable', why: foreign }
  const buffer = Buffer.allocUnsafe(exitFileMaxBytes)
  const { bytesRead } = await handle.read(buffer, 0, exitFileMaxBytes, 0)
  const code = parseExitCode(buffer.toString('latin1', 0, bytesRead))
  if (code === undefined)
    return { kind: 'unreadable', why: bytesRead === 0 ? 'empty' : 'not a number from 0 to 255' }
  return { kind: 'exit', code, finished: timestampFromNs(stat.mtimeNs), version: fileVersion(stat) }
}

/** The code that the content of an exit file states, or undefined: an unfinished file is never read as 0. */
function parseExitCode(content: string): number | undefined {
  const digits = /^([0-9]{1,3})\n?$/.exec(content)?.[1]
  if (digits === undefined) return undefined
  const code = Number(digits)
  return code <= 255 ? code : undefined
}
