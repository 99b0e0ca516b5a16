/** `<stateDir>/index/<id>.json`: names the directory of one container. */
import { z } from 'zod'
import { isContainerId } from '../container-fields.ts'
import { readTextFile } from '../files.ts'
import { parseDocument, stateFileMaxBytes } from './documents.ts'

export interface IndexEntry {
  readonly id: string
  readonly dir: string
}

const suffix = '.json'

const entrySchema = z.object({
  id: z.string().refine(isContainerId, 'must be a container id'),
  dir: z
    .string()
    .refine((dir) => dir.startsWith('/') && !dir.includes('\0'), 'must be an absolute path without NUL'),
})

export function entryName(id: string): string {
  return `${id}${suffix}`
}

/** The id that an entry's name stands for, undefined when it is none. */
export function idOfEntry(name: string): string | undefined {
  const id = name.endsWith(suffix) ? name.slice(0, -suffix.length) : undefined
  return isContainerId(id) ? id : undefined
}

export function encodeIndexEntry({ id, dir }: IndexEntry): string {
  return `${JSON.stringify({ id, dir })}\n`
}

/** Undefined only when there is none. ERR_STATE_CORRUPT, ERR_IO. */
export async function readIndexEntry(file: string): Promise<IndexEntry | undefined> {
  const text = await readTextFile(file, {
    maxBytes: stateFileMaxBytes,
    code: 'ERR_STATE_CORRUPT',
    isPrivate: true,
  })
  return text === undefined ? undefined : parseDocument(text, entrySchema, file)
}
