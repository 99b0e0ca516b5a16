/**
 * What RuntimeVM has to know of a container when another supervisor takes it up, or when its shim is dead and can be
 * asked no more. One small file per container.
 *
 * Deliberately not here: the container's state, which is the store's.
 */
import { z } from 'zod'
import type { Logger } from '../../surroundings/logger.ts'
import {
  cgroupPathsSchema,
  identitySchema,
  logPositionSchema,
  Notebook,
  pathSchema,
} from '../host/notebook.ts'

const notesSchema = z.object({
  runtimeRoot: pathSchema,
  /** The OCI runtime that the shim was told to run. */
  ociRuntimePath: pathSchema.optional(),
  socketPath: pathSchema.optional(),
  shim: identitySchema.optional(),
  /** The container's own process, or the hypervisor of its machine. */
  init: identitySchema.optional(),
  /** Of init, by controller; none where it is a hypervisor, or where an earlier release wrote the notes. */
  cgroupPaths: cgroupPathsSchema.default({}),
  /** True when the kernel kills everything in the container together with its init. */
  ownPidNamespace: z.boolean(),
  /** True when the shim may serve other containers too. */
  sharesShim: z.boolean(),
  /** The end of the kernel's log before create; only where systemd manages cgroups. */
  kernelLogEnd: logPositionSchema.optional(),
})

export type VmNotes = Readonly<z.output<typeof notesSchema>>

export type VmNotebook = Notebook<VmNotes>

/** The notes of all containers that this process has had to do with, and their files. */
export function openNotebook(logger: Logger): VmNotebook {
  return new Notebook(parseNotes, logger)
}

function parseNotes(text: string): VmNotes | undefined {
  try {
    return notesSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
