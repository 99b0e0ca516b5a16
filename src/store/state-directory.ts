/**
 * Where containers are kept on disk: each in its own `dir` (`container.json`, `state.json`), and an index that names
 * every container's `dir`, since embedders choose it.
 *
 * Deliberately not here: when to write, and what a restart makes of it.
 */
import { unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Container, ContainerOptions } from '../container.ts'
import { errnoOf, inContext, isOciError, OciError } from '../errors/index.ts'
import {
  ensurePrivateDirectory,
  ioError,
  removeAllTemporaryFiles,
  removeTemporaryFiles,
  syncDirectory,
  writeTextFile,
} from '../files.ts'
import { containerFilePath, readContainerFile, writeContainerFile } from './container-file.ts'
import { encodeIndexEntry, entryName, readIndexEntry } from './index-entry.ts'
import { writeStateFile } from './state-file.ts'
import type { StateRecord } from './state-record.ts'
import { openSurvivors } from './survivors.ts'

/** The port: an embedder's tests may keep containers in memory. */
export interface StateDirectory {
  /**
   * Makes the container's place with its first state, and then notes it in the index: from there on a restart finds it.
   * Rejects ERR_IO or ERR_INVALID_ARGUMENT, and ERR_CONTAINER_EXISTS when the id or the `dir` is another container's.
   */
  prepare(container: Container, record: StateRecord): Promise<void>
  /** Resolves when the record is durable. Rejects ERR_IO, the old record then still stands. */
  write(container: Container, record: StateRecord): Promise<void>
  /**
   * Removes the container from index and disk. Its `dir` and its log are the embedder's and stay. `onUnlisted` is awaited
   * as soon as no restart finds the container any more, also when the rest is then refused; what it rejects with, this does.
   */
  forget(container: Container, onUnlisted: () => Promise<void>): Promise<void>
  /** What an earlier supervisor left. Left out by directories that keep nothing. */
  readonly survivors?: Survivors
}

/** Containers on disk that a restart may take up, by the name of their entry in the index. */
export interface Survivors {
  /** All there are. Rejects ERR_IO. */
  list(): Promise<readonly SurvivorEntry[]>
  /**
   * What there is of one; undefined when it is not in the index any more. Rejects ERR_STATE_CORRUPT when something of it
   * is not what it should be, ERR_IO, which says nothing, when the system refuses.
   */
  load(entry: SurvivorEntry): Promise<Survivor | undefined>
  /** Takes the entry out of the index, with the reason beside it; resolves with its new path. Nothing else is touched. */
  quarantine(entry: SurvivorEntry, reason: OciError): Promise<string>
}

export interface SurvivorEntry {
  readonly name: string
  /** Undefined where the name is not that of a container. */
  readonly id: string | undefined
}

export interface Survivor {
  readonly options: ContainerOptions
  readonly record: StateRecord
}

export interface StateDirectoryOptions {
  /** Default `fsync`. */
  readonly durability?: 'fsync' | 'rename'
}

/** Opens the directory, making it (0700) if necessary. */
export async function openStateDirectory(
  stateDir: string,
  { durability = 'fsync' }: StateDirectoryOptions = {},
): Promise<StateDirectory> {
  const index = join(stateDir, 'index')
  try {
    await ensurePrivateDirectory(stateDir, 'stateDir')
    await ensurePrivateDirectory(index, 'stateDir')
    // Nobody is writing there yet: they are what a crash cut off.
    await removeAllTemporaryFiles(index)
  } catch (error) {
    throw inContext(error, { operation: 'open' })
  }
  return new DiskStateDirectory(stateDir, index, durability === 'fsync')
}

class DiskStateDirectory implements StateDirectory {
  readonly survivors: Survivors
  readonly #index: string
  readonly #sync: boolean
  /** Nothing on disk is theirs, so nothing is removed for them. */
  readonly #refused = new WeakSet<Container>()

  constructor(stateDir: string, index: string, sync: boolean) {
    this.#index = index
    this.#sync = sync
    this.survivors = openSurvivors({ index, quarantine: join(stateDir, 'quarantine'), sync })
  }

  async prepare(container: Container, record: StateRecord): Promise<void> {
    const { id, dir } = container
    try {
      await ensurePrivateDirectory(dir, 'dir')
      await this.#refuseTaken(container)
      const sync = this.#sync && 'file'
      const files = [
        writeContainerFile(container, { sync }),
        writeStateFile(container.statePath, record, { sync }),
      ]
      // Neither is written any more when a failure of the other is told.
      await Promise.allSettled(files)
      await Promise.all(files)
      // One sync of the directory serves both.
      if (this.#sync) await synced(dir)
      await writeTextFile(this.#entryOf(id), encodeIndexEntry({ id, dir }), { sync: this.#sync })
    } catch (error) {
      throw inContext(error, { containerId: id, operation: 'createContainer' })
    }
  }

  write(container: Container, record: StateRecord): Promise<void> {
    return writeStateFile(container.statePath, record, { sync: this.#sync })
  }

  async forget(container: Container, onUnlisted: () => Promise<void>): Promise<void> {
    if (this.#refused.has(container)) return
    // The index goes first: an entry without a state would be a torn one, a state without an entry is nobody's.
    await remove(this.#entryOf(container.id))
    await onUnlisted()
    // Synced, or a crash of the host brings back a container that its owner was told is gone.
    if (this.#sync) await synced(this.#index)
    await Promise.all([
      remove(container.statePath),
      remove(containerFilePath(container)),
      removeTemporaryFiles(container.statePath),
      removeTemporaryFiles(containerFilePath(container)),
    ])
  }

  #entryOf(id: string): string {
    return join(this.#index, entryName(id))
  }

  /** An id that is in the index belongs to a container that no restart has taken up yet; so may the directory. */
  async #refuseTaken(container: Container): Promise<void> {
    const { id, dir } = container
    if ((await readIndexEntry(this.#entryOf(id))) !== undefined) {
      this.#refused.add(container)
      const message = `container ${id} is on disk and has not been taken up: recover takes it up, or says why it cannot`
      throw new OciError('ERR_CONTAINER_EXISTS', message, { file: this.#entryOf(id) })
    }
    const owner = await ownerOf(dir)
    if (owner === undefined || owner === id) return
    const other = await readIndexEntry(this.#entryOf(owner))
    if (other?.dir !== dir) return
    this.#refused.add(container)
    const message = `dir ${dir} is that of container ${owner}; every container must have its own`
    throw new OciError('ERR_CONTAINER_EXISTS', message, { field: 'dir', file: containerFilePath({ dir }) })
  }
}

/** Whose directory it is. What cannot be read there is about to be replaced, and names nobody. */
async function ownerOf(dir: string): Promise<string | undefined> {
  try {
    return (await readContainerFile(containerFilePath({ dir })))?.id
  } catch (error) {
    if (isOciError(error) && error.code === 'ERR_STATE_CORRUPT') return undefined
    throw error
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
