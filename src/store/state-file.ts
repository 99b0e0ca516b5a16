/** A container's `state.json`: its actor writes it after every change, a restart reads it back. */
import { isContainer, type Container } from '../container.ts'
import { inContext, kindOf, OciError } from '../errors/index.ts'
import { ioError, readTextFile, writeTextFile } from '../files.ts'
import type { WriteTextOptions } from '../files.ts'
import { corrupt, stateFileMaxBytes } from './documents.ts'
import { decodeState, encodeState } from './state-codec.ts'
import { restoreSettings, type StateRecord } from './state-record.ts'

/**
 * Replaces a state file atomically and durably. Throws ERR_IO, and ERR_INVALID_ARGUMENT for a record that could not be
 * read back; either way the file holds what it held and no temporary file is left.
 */
export async function writeStateFile(
  path: string,
  record: StateRecord,
  options: WriteTextOptions = {},
): Promise<void> {
  await writeTextFile(path, encodeState(record), options)
}

/**
 * Reads a state file; undefined only when there is none. ERR_STATE_CORRUPT when it is no regular file, too large or
 * malformed, ERR_IO when the system refuses.
 */
export async function readStateFile(path: string): Promise<StateRecord | undefined> {
  const text = await readTextFile(path, {
    maxBytes: stateFileMaxBytes,
    code: 'ERR_STATE_CORRUPT',
    isPrivate: true,
  })
  return text === undefined ? undefined : decodeState(text, path)
}

/**
 * Gives an unregistered container the state that its state file holds, and the settings of that run where it has none
 * of its own. Throws ERR_IO when there is no such file, ERR_STATE_CORRUPT when it is malformed or another container's,
 * ERR_WRONG_STATUS when a runtime has registered the container. Parity: FromDisk.
 */
export async function fromDisk(container: Container): Promise<void> {
  if (!isContainer(container)) {
    const message = `container must be a Container, not ${kindOf(container)}`
    throw new OciError('ERR_INVALID_ARGUMENT', message, { operation: 'fromDisk', field: 'container' })
  }
  try {
    const record = await readStateFile(container.statePath)
    if (record === undefined) {
      const missing = Object.assign(new Error('no such file'), { code: 'ENOENT' })
      throw ioError('read', container.statePath, missing)
    }
    if (record.state.id !== container.id) {
      throw corrupt(container.statePath, 'id', `is ${record.state.id}, it must be ${container.id}`)
    }
    container.seedState(record.state)
    restoreSettings(container, record.own.settings)
  } catch (error) {
    throw inContext(error, { containerId: container.id, operation: 'fromDisk' })
  }
}
