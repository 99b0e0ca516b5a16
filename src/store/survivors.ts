/**
 * Reading the index after a restart, and setting aside what cannot be trusted. Invariant: nothing here writes to, or
 * removes from, a container's own directory.
 */
import { lstat, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, type OciError } from '../errors/index.ts'
import {
  ensurePrivateDirectory,
  foreignDirectory,
  ioError,
  isTemporaryName,
  syncDirectory,
  writeTextFile,
} from '../files.ts'
import { containerFilePath, readContainerFile } from './container-file.ts'
import { corrupt } from './documents.ts'
import { idOfEntry, readIndexEntry, type IndexEntry } from './index-entry.ts'
import type { Survivor, SurvivorEntry, Survivors } from './state-directory.ts'
import { readStateFile } from './state-file.ts'

export interface SurvivorsOptions {
  readonly index: string
  readonly quarantine: string
  readonly sync: boolean
}

export function openSurvivors({ index, quarantine, sync }: SurvivorsOptions): Survivors {
  return {
    list: async () => {
      const names = await namesIn(index)
      return names.filter((name) => !isTemporaryName(name)).map((name) => ({ name, id: idOfEntry(name) }))
    },
    load: (entry) => load(join(index, entry.name), entry),
    quarantine: async ({ name }, { code, message }) => {
      await ensurePrivateDirectory(quarantine, 'stateDir')
      const place = await freeName(quarantine, name)
      const reason = `${JSON.stringify({ code, message, at: new Date().toISOString() })}\n`
      // First the reason: an entry without one would puzzle whoever finds it.
      await writeTextFile(`${place}.reason`, reason, { sync })
      try {
        await rename(join(index, name), place)
        if (sync) await syncDirectory(quarantine)
        if (sync) await syncDirectory(index)
      } catch (error) {
        throw ioError('rename', join(index, name), error)
      }
      return place
    },
  }
}

async function load(file: string, { id, name }: SurvivorEntry): Promise<Survivor | undefined> {
  if (id === undefined) throw corrupt(file, undefined, `is no entry of a container: ${JSON.stringify(name)}`)
  const entry = await readIndexEntry(file)
  if (entry === undefined) return undefined
  if (entry.id !== id) throw corrupt(file, 'id', `is ${entry.id}, it must be ${id}`)
  await checkDirectory(entry)
  const path = containerFilePath(entry)
  const options = await readContainerFile(path)
  // Looked at again: a container that is deleted leaves the index before its files go.
  if (options === undefined) return stillThere(file, corrupt(path, undefined, 'is missing'))
  if (options.id !== id) throw corrupt(path, 'id', `is ${options.id}, it must be ${id}`)
  if (options.dir !== entry.dir) throw corrupt(path, 'dir', `is ${options.dir}, the index says ${entry.dir}`)
  const statePath = `${entry.dir}/state.json`
  const record = await readStateFile(statePath)
  if (record === undefined) return stillThere(file, corrupt(statePath, undefined, 'is missing'))
  if (record.state.id !== id) throw corrupt(statePath, 'id', `is ${record.state.id}, it must be ${id}`)
  return { options, record }
}

async function stillThere(file: string, error: OciError): Promise<undefined> {
  if ((await readIndexEntry(file)) !== undefined) throw error
  return undefined
}

/** Who can write there decides what we believe. */
async function checkDirectory({ dir }: IndexEntry): Promise<void> {
  const stats = await lstat(dir).catch((error: unknown) => {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') throw corrupt(dir, undefined, 'is missing', error)
    throw ioError('examine', dir, error)
  })
  if (!stats.isDirectory()) throw corrupt(dir, undefined, 'is not a directory')
  const reason = foreignDirectory(stats)
  if (reason !== undefined) throw corrupt(dir, undefined, reason)
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    throw ioError('list', directory, error)
  }
}

async function freeName(directory: string, name: string): Promise<string> {
  const taken = new Set(await namesIn(directory))
  let place = name
  for (let count = 2; taken.has(place); count += 1) place = `${name}.${count}`
  return join(directory, place)
}
