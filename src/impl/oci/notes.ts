/**
 * What RuntimeOCI has to know of a container when another supervisor takes it up and its processes may be gone: the
 * cgroups they were in, and the runtime root that the container was created under. One small file per container.
 *
 * Deliberately not here: the container's state, which is the store's.
 */
import { z } from 'zod'
import type { Logger } from '../../surroundings/logger.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { readCgroupMounts, type CgroupPaths } from '../host/cgroups.ts'
import type { LogPosition } from '../host/kernel-log.ts'
import {
  cgroupPathsSchema,
  identitySchema,
  logPositionSchema,
  Notebook,
  pathSchema,
} from '../host/notebook.ts'

export interface Notes {
  readonly runtimeRoot: string
  /** True when the kernel kills everything in the container together with its init. */
  readonly ownPidNamespace: boolean
  readonly init: ProcessIdentity | undefined
  /** Of init, by controller; none where it has no group of its own. */
  readonly cgroupPaths: CgroupPaths
  /** It is in the group of its monitor, which others are in as well: an ordinary user's, whose bundle names none. */
  readonly sharesCgroup?: boolean | undefined
  /** Directories of the container's own group that were not there before its create. */
  readonly madeCgroups?: readonly string[] | undefined
  /** The same of groups above that and above the monitor's; the deepest first. */
  readonly madeParents?: readonly string[] | undefined
  /** Directories of the monitor's own group. */
  readonly monitorCgroups: readonly string[]
  /** The systemd unit that this group belongs to; undefined where we made it. */
  readonly monitorScope: string | undefined
  /** The end of the kernel's log before create; only where systemd manages cgroups. */
  readonly kernelLogEnd?: LogPosition | undefined
}

const notesSchema = z.object({
  runtimeRoot: pathSchema,
  ownPidNamespace: z.boolean(),
  init: identitySchema.optional(),
  cgroupPaths: cgroupPathsSchema,
  sharesCgroup: z.boolean().optional(),
  madeCgroups: z.array(pathSchema).optional(),
  madeParents: z.array(pathSchema).optional(),
  monitorCgroups: z.array(pathSchema),
  monitorScope: z.string().endsWith('.scope').optional(),
  kernelLogEnd: logPositionSchema.optional(),
})

export type OciNotebook = Notebook<Notes>

/** The notes of all containers that this process has had to do with, and their files. */
export function openNotebook(logger: Logger): OciNotebook {
  return new Notebook(async (text) => {
    const notes = parseNotes(text)
    return notes === undefined || (await areGroups(groupsOf(notes))) ? notes : undefined
  }, logger)
}

function groupsOf({ madeCgroups = [], madeParents = [], monitorCgroups }: Notes): readonly string[] {
  return [...madeCgroups, ...madeParents, ...monitorCgroups]
}

/** They are removed when the container is, so they have to be where nothing but groups is. */
async function areGroups(directories: readonly string[]): Promise<boolean> {
  const mounts = await readCgroupMounts()
  return directories.every((path) => mounts.some(({ mountPoint }) => path.startsWith(`${mountPoint}/`)))
}

/** The notes that a file's text states, or undefined. */
export function parseNotes(text: string): Notes | undefined {
  try {
    const { init, monitorScope, ...notes } = notesSchema.parse(JSON.parse(text))
    return { ...notes, init, monitorScope }
  } catch {
    return undefined
  }
}
