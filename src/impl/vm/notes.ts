/**
 * What RuntimeVM has to know of a container when another supervisor takes it up, or when its shim is dead and can be
 * asked no more. One small file per container.
 *
 * Deliberately not here: the container's state, which is the store's.
 */
import { z } from 'zod'
import type { Container } from '../../container.ts'
import { readTextFile, writeTextFile } from '../../files.ts'
import type { Logger } from '../../surroundings/logger.ts'

const identitySchema = z.object({ pid: z.int().min(2), startTicks: z.string().regex(/^\d+$/) })

const notesSchema = z.object({
  runtimeRoot: z.string().startsWith('/'),
  /** The OCI runtime that the shim was told to run. */
  ociRuntimePath: z.string().startsWith('/').optional(),
  socketPath: z.string().startsWith('/').optional(),
  shim: identitySchema.optional(),
  /** The container's own process, or the hypervisor of its machine. */
  init: identitySchema.optional(),
  /** True when the kernel kills everything in the container together with its init. */
  ownPidNamespace: z.boolean(),
  /** True when the shim may serve other containers too. */
  sharesShim: z.boolean(),
})

export type VmNotes = Readonly<z.output<typeof notesSchema>>

const notesMaxBytes = 65_536

/** The notes of all containers that this process has had to do with, and their files. */
export class VmNotebook {
  readonly #known = new Map<string, VmNotes>()
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Not synced: after a crash of the host neither shim nor container are there any more. Throws ERR_IO. */
  async write(container: Container, file: string, notes: VmNotes): Promise<void> {
    this.#known.set(container.id, notes)
    await writeTextFile(file, `${JSON.stringify(notes)}\n`, { sync: false })
  }

  /** Undefined when there are none, also when the file holds something else: it helps, nothing depends on it. */
  async read(container: Container, file: string): Promise<VmNotes | undefined> {
    const known = this.#known.get(container.id)
    if (known !== undefined) return known
    const text = await readTextFile(file, { maxBytes: notesMaxBytes, code: 'ERR_STATE_CORRUPT' })
    if (text === undefined) return undefined
    const notes = parseNotes(text)
    if (notes === undefined) {
      const fields = { containerId: container.id, file }
      this.#logger.warn(fields, 'the notes on a container are unreadable and ignored')
      return undefined
    }
    this.#known.set(container.id, notes)
    return notes
  }

  forget(id: string): void {
    this.#known.delete(id)
  }
}

function parseNotes(text: string): VmNotes | undefined {
  try {
    return notesSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
