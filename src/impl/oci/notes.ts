/**
 * What RuntimeOCI has to know of a container when another supervisor takes it up and its processes may be gone: the
 * cgroups they were in, and the runtime root that the container was created under. One small file per container.
 *
 * Deliberately not here: the container's state, which is the store's.
 */
import { z } from 'zod'
import type { Container } from '../../container.ts'
import { readTextFile, writeTextFile } from '../../files.ts'
import type { Logger } from '../../surroundings/logger.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import type { CgroupPaths } from './cgroups.ts'

export interface Notes {
  readonly runtimeRoot: string
  /** True when the kernel kills everything in the container together with its init. */
  readonly ownPidNamespace: boolean
  readonly init: ProcessIdentity | undefined
  /** Of init, by controller. */
  readonly cgroupPaths: CgroupPaths
  /** Directories of the monitor's own group. */
  readonly monitorCgroups: readonly string[]
}

const notesMaxBytes = 65_536

const notesSchema = z.object({
  runtimeRoot: z.string().startsWith('/'),
  ownPidNamespace: z.boolean(),
  init: z.object({ pid: z.int().min(2), startTicks: z.string().regex(/^\d+$/) }).optional(),
  cgroupPaths: z.record(z.string(), z.string().startsWith('/')),
  monitorCgroups: z.array(z.string().startsWith('/')),
})

/** The notes of all containers that this process has had to do with, and their files. */
export class Notebook {
  readonly #known = new Map<string, Notes>()
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Not synced: after a crash of the host neither the processes nor their cgroups are there any more. Throws ERR_IO. */
  async write(container: Container, file: string, notes: Notes): Promise<void> {
    this.#known.set(container.id, notes)
    await writeTextFile(file, `${JSON.stringify(notes)}\n`, { sync: false })
  }

  /** Undefined when there are none, also when the file holds something else: it helps, nothing depends on it. */
  async read(container: Container, file: string): Promise<Notes | undefined> {
    const known = this.#known.get(container.id)
    if (known !== undefined) return known
    const text = await readTextFile(file, { maxBytes: notesMaxBytes, code: 'ERR_STATE_CORRUPT' })
    if (text === undefined) return undefined
    const notes = parseNotes(text)
    if (notes === undefined) {
      this.#logger.warn(
        { containerId: container.id, file },
        'the notes on a container are unreadable and ignored',
      )
      return undefined
    }
    this.#known.set(container.id, notes)
    return notes
  }

  forget(id: string): void {
    this.#known.delete(id)
  }
}

/** The notes that a file's text states, or undefined. */
export function parseNotes(text: string): Notes | undefined {
  try {
    const { init, ...notes } = notesSchema.parse(JSON.parse(text))
    return { ...notes, init }
  } catch {
    return undefined
  }
}
