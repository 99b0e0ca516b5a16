/**
 * What an implementation has to know of its containers when another supervisor takes them up and nobody is left to be
 * asked: one small file per container, and what this process has read or written of them.
 *
 * Deliberately not here: what the notes say, and the container's state, which is the store's.
 */
import { z } from 'zod'
import type { Container } from '../../container.ts'
import { isOciError } from '../../errors/index.ts'
import { readTextFile, writeTextFile } from '../../files.ts'
import type { Logger } from '../../surroundings/logger.ts'

const notesMaxBytes = 65_536

/** A process in the notes on a container. */
export const identitySchema = z.object({
  pid: z.int().min(2).max(0x7fff_ffff),
  startTicks: z.string().regex(/^\d{1,20}$/),
})

/** An absolute path as we write it: a `..` would lead to where nothing is ours. */
export const pathSchema = z
  .string()
  .refine((path) => path.startsWith('/') && !path.split('/').includes('..'), "must be absolute without '..'")

/** A group by controller. */
export const cgroupPathsSchema = z.record(z.string(), pathSchema)

/** A place in the kernel's log. */
export const logPositionSchema = z.object({ bootId: z.string(), sequence: z.int().min(0) })

export class Notebook<Notes> {
  readonly #known = new Map<string, Notes>()
  readonly #parse: (text: string) => Notes | undefined | Promise<Notes | undefined>
  readonly #logger: Logger

  /** `parse`: the notes that a file's text states, or undefined. */
  constructor(parse: (text: string) => Notes | undefined | Promise<Notes | undefined>, logger: Logger) {
    this.#parse = parse
    this.#logger = logger
  }

  /** Not synced: after a crash of the host nothing is there any more that the notes tell of. Throws ERR_IO. */
  async write(container: Container, file: string, notes: Notes): Promise<void> {
    this.#known.set(container.id, notes)
    await writeTextFile(file, `${JSON.stringify(notes)}\n`, { sync: false })
  }

  /**
   * Undefined when there are none, also when the file holds something else or is not ours: it helps, nothing depends on
   * it. Throws ERR_IO.
   */
  async read(container: Container, file: string): Promise<Notes | undefined> {
    const known = this.#known.get(container.id)
    if (known !== undefined) return known
    const notes = await this.#readFile(container, file)
    if (notes !== undefined) this.#known.set(container.id, notes)
    return notes
  }

  async #readFile({ id: containerId }: Container, file: string): Promise<Notes | undefined> {
    let cause: unknown
    try {
      const code = 'ERR_STATE_CORRUPT'
      const text = await readTextFile(file, { maxBytes: notesMaxBytes, code, isPrivate: true })
      const notes = text === undefined ? undefined : await this.#parse(text)
      if (text === undefined || notes !== undefined) return notes
    } catch (error) {
      if (!isOciError(error) || error.code !== 'ERR_STATE_CORRUPT') throw error
      cause = error
    }
    const fields = { containerId, file, ...(cause === undefined ? {} : { err: cause }) }
    this.#logger.warn(fields, 'the notes on a container cannot be trusted and are ignored')
    return undefined
  }

  forget(id: string): void {
    this.#known.delete(id)
  }
}
