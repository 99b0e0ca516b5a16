/** The rules for single values, shared by the TOML schema and the JavaScript schema. A rule's message says what would be right. */
import { posix } from 'node:path'
import { z } from 'zod'
import {
  bufSizeBytes,
  cgroupfsCgroupsManager,
  durabilities,
  systemdCgroupsManager,
  timerMaxMs,
} from './constants.ts'

const pathRule = "must be an absolute path without '..' or NUL"
const nameRule = "must be 1 to 63 letters, digits, '-', '_' or '.', beginning with a letter or digit"
const envRule = 'must be KEY=value without NUL'
const sizeRule = `must be -1 for no limit, or at least ${bufSizeBytes} (bytes)`
const timerMaxSeconds = Math.floor(timerMaxMs / 1000)

/** CRI-O's own directories, by both of their names: /var/run is a link to /run. */
const crioDirPattern = /^\/(?:run|var\/run|var\/lib)\/crio/

/** `''` is how CRI-O's own template writes "not set". */
function unsetWhenEmpty(value: string): string | undefined {
  return value === '' ? undefined : value
}

function isLegalPath(value: string): boolean {
  return value.startsWith('/') && !value.includes('\0') && !value.split('/').includes('..')
}

/** `/a//b/./c/` as `/a/b/c`, so that directories can be compared. */
function normalPath(value: string): string {
  const normal = posix.normalize(value)
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal
}

function absolutePath(rule: string) {
  return z
    .string(rule)
    .refine((value) => value === '' || isLegalPath(value), { error: rule, abort: true })
    .transform((value) => (value === '' ? value : normalPath(value)))
}

export const file = absolutePath(pathRule).transform(unsetWhenEmpty).optional()

export const executable = absolutePath(`${pathRule}, or empty to look it up on PATH`)
  .transform(unsetWhenEmpty)
  .optional()

/** A directory that we, or a runtime on our behalf, write. */
export const directory = absolutePath(pathRule)
  .refine((value) => value !== '/', 'must not be the root directory')
  .refine(
    (value) => !crioDirPattern.test(value),
    'must not be a directory of CRI-O: both would take the same exit files, and a CRI-O on this host would lose exits to us',
  )
  .transform(unsetWhenEmpty)
  .optional()

const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/

/** A handler's name: also a directory's name and, without a path, a program's. */
export const handlerName = z.string(nameRule).regex(namePattern, nameRule)

export const optionalName = z
  .string(nameRule)
  .refine((value) => value === '' || namePattern.test(value), nameRule)
  .transform(unsetWhenEmpty)
  .optional()

export const optionalText = z
  .string('must be a string without NUL')
  .refine((value) => !value.includes('\0'), 'must be a string without NUL')
  .transform(unsetWhenEmpty)
  .optional()

export const flag = z.boolean('must be true or false').optional()

export const environment = z
  .array(z.string(envRule).regex(/^[^=\0]+=[^\0]*$/, envRule), 'must be a list of KEY=value')
  .optional()

const annotationRule = 'must be a list of whole annotation names; a pattern or a prefix allows nothing'

export const annotationNames = z
  .array(z.string(annotationRule).min(1, annotationRule), annotationRule)
  .optional()

const advisoryRule = 'must be a list of advisories, such as "CVE-2024-21626"'

export const advisoryNames = z
  .array(
    z.string(advisoryRule).regex(/^(?:CVE-\d{4}-\d{4,}|GHSA(?:-[0-9a-z]{4}){3})$/, advisoryRule),
    advisoryRule,
  )
  .optional()

export const cgroupManager = z
  .enum(
    [cgroupfsCgroupsManager, systemdCgroupsManager],
    `must be "${cgroupfsCgroupsManager}" or "${systemdCgroupsManager}"`,
  )
  .optional()

export const durability = z.enum(durabilities, `must be "fsync" or "rename"`).optional()

/** Every negative number means no limit, as in CRI-O. */
export const logSize = z
  .int(sizeRule)
  .refine((value) => value < 0 || value >= bufSizeBytes, sizeRule)
  .transform((value) => Math.max(value, -1))
  .optional()

function wholeNumber(unit: string, max: number) {
  const rule = `must be a whole number of ${unit} from 0 to ${max}`
  return z.int(rule).min(0, rule).max(max, rule)
}

/** Less than the minimum is legal and raised later, with a warning, as in CRI-O. The same goes for creating. */
export const stopTimeoutSeconds = wholeNumber('seconds', timerMaxSeconds).optional()

export const createTimeoutMs = wholeNumber('milliseconds', timerMaxMs).optional()

/** In seconds as CRI-O has it; out come milliseconds. */
export const createTimeoutSeconds = wholeNumber('seconds', timerMaxSeconds)
  .transform((seconds) => seconds * 1000)
  .optional()
