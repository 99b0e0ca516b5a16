import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { isOciError, kindOf, messageOf, OciError } from '../errors/index.ts'
import type { Config } from './config.ts'
import { configFileMaxBytes } from './constants.ts'
import { parseConfig } from './parse-config.ts'

/**
 * Reads a TOML file as {@link parseConfig} does. The file must be a regular one (a link to one is fine) of at most
 * 1 MiB in UTF-8. Rejects with ERR_CONFIG and `file` when it cannot be read or is not valid.
 */
export async function loadConfig(path: string): Promise<Config> {
  if (typeof path !== 'string') {
    const message = `path must be a string, the path of a TOML file, not ${kindOf(path)}`
    throw new OciError('ERR_INVALID_ARGUMENT', message, { operation: 'loadConfig', field: 'path' })
  }
  return parseConfig(await readText(path), path)
}

async function readText(path: string): Promise<string> {
  let handle: FileHandle | undefined
  try {
    // NONBLOCK: opening a FIFO that nobody writes would otherwise hold a thread of the embedder's pool for ever.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    const stat = await handle.stat()
    if (!stat.isFile()) throw fileError(path, 'is not a regular file')
    return decode(path, await readBounded(path, handle))
  } catch (error) {
    if (isOciError(error)) throw error
    throw fileError(path, `cannot be read: ${messageOf(error)}`, error)
  } finally {
    await handle?.close()
  }
}

/** Reads what is there, whatever the size was a moment ago. */
async function readBounded(path: string, handle: FileHandle): Promise<Buffer> {
  const buffer = Buffer.alloc(configFileMaxBytes + 1)
  let lengthBytes = 0
  while (lengthBytes < buffer.length) {
    const { bytesRead } = await handle.read(buffer, lengthBytes, buffer.length - lengthBytes, lengthBytes)
    if (bytesRead === 0) return buffer.subarray(0, lengthBytes)
    lengthBytes += bytesRead
  }
  throw fileError(path, `must not be larger than ${configFileMaxBytes} bytes`)
}

function decode(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw fileError(path, 'must be UTF-8', error)
  }
}

function fileError(path: string, what: string, cause?: unknown): OciError {
  const message = `configuration file ${path} ${what}`
  return new OciError('ERR_CONFIG', message, { operation: 'loadConfig', file: path, cause })
}
