/**
 * Where containers are kept on disk: each in its own `dir` (`container.json`, `state.json`), and an index that names
 * every container's `dir`, since embedders choose it.
 *
 * Deliberately not here: when to write, and what a restart makes of it.
 */
import { unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Container } from '../container.ts'
import { errnoOf, inContext } from '../errors/index.ts'
import {
  ensurePrivateDirectory,
  ioError,
  removeTemporaryFiles,
  syncDirectory,
  writeTextFile,
} from '../files.ts'
import { containerFilePath, writeContainerFile } from './container-file.ts'
import { writeStateFile } from './state-file.ts'
import type { StateRecord } from './state-record.ts'

/** The port: an embedder's tests may keep containers in memory. */
export interface StateDirectory {
  /** Makes the container's place and notes it in the index. Rejects ERR_IO or ERR_INVALID_ARGUMENT. */
  prepare(container: Container): Promise<void>
  /** Resolves when the record is durable. Rejects ERR_IO, the old record then still stands. */
  write(container: Container, record: StateRecord): Promise<void>
  /** Removes the container from index and disk. Its `dir` and its log are the embedder's and stay. */
  forget(container: Container): Promise<void>
}

/** Opens the directory, making it (0700) if necessary. */
export async function openStateDirectory(stateDir: string): Promise<StateDirectory> {
  const index = join(stateDir, 'index')
  try {
    await ensurePrivateDirectory(stateDir, 'stateDir')
    await ensurePrivateDirectory(index, 'stateDir')
  } catch (error) {
    throw inContext(error, { operation: 'open' })
  }
  const entryOf = (container: Container): string => join(index, `${container.id}.json`)
  return {
    prepare: async (container) => {
      const { id, dir } = container
      try {
        await ensurePrivateDirectory(dir, 'dir')
        await writeContainerFile(container)
        await writeTextFile(entryOf(container), `${JSON.stringify({ id, dir })}\n`)
      } catch (error) {
        throw inContext(error, { containerId: id, operation: 'createContainer' })
      }
    },
    write: (container, record) => writeStateFile(container.statePath, record),
    forget: async (container) => {
      // The index goes first: an entry without a state would be a torn one, a state without an entry is nobody's.
      await remove(entryOf(container))
      // Synced, or a crash of the host brings back a container that its owner was told is gone.
      await synced(index)
      await remove(container.statePath)
      await remove(containerFilePath(container))
      await removeTemporaryFiles(container.statePath)
    },
  }
}

async function synced(directory: string): Promise<void> {
  try {
    await syncDirectory(directory)
  } catch (error) {
    throw ioError('sync', directory, error)
  }
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    const errno = errnoOf(error)
    // ENOTDIR: it never was there, since its directory is none. What could not be created must still be deletable.
    if (errno !== 'ENOENT' && errno !== 'ENOTDIR') throw ioError('remove', path, error)
  }
}

/** Keeps nothing: for tests and demonstrations on simulated runtimes, where nothing survives the process anyway. */
export function memoryStateDirectory(): StateDirectory {
  return {
    prepare: () => Promise.resolve(),
    write: () => Promise.resolve(),
    forget: () => Promise.resolve(),
  }
}
