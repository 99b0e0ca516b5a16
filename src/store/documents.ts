/**
 * The edge between JSON text and typed records: what does not have the expected form is ERR_STATE_CORRUPT naming the
 * file and the field.
 */
import { z } from 'zod'
import { OciError } from '../errors/index.ts'

/** No file of the state directory is larger. */
export const stateFileMaxBytes = 1_048_576

/** RFC 3339 with up to nine decimals; the text itself is kept, since a Date would lose the nanoseconds. */
export const timestampSchema = z
  .string()
  .refine((text) => rfc3339.test(text) && !Number.isNaN(Date.parse(text)), 'must be an RFC 3339 time')

const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/

/** Not `z.record`, which drops a key named `__proto__`: annotations may have any name. */
export const stringMapSchema = z.custom<Record<string, string>>(isStringMap, 'must be an object of strings')

function isStringMap(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every((entry) => typeof entry === 'string')
}

/** Parses text of `file` and checks it against the schema. */
export function parseDocument<T>(text: string, schema: z.ZodType<T>, file: string): T {
  if (Buffer.byteLength(text) > stateFileMaxBytes) {
    throw corrupt(file, undefined, `is larger than ${stateFileMaxBytes} bytes`)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw corrupt(file, undefined, 'is not JSON', error)
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const { field, reason } = firstIssue(result.error)
  throw corrupt(file, field, reason, result.error)
}

/**
 * The text of a document that `parseDocument` is sure to read back. Otherwise ERR_INVALID_ARGUMENT, and the file on
 * disk stays as it is: an old state is worth more than one that a restart cannot read.
 */
export function formatDocument(document: unknown, schema: z.ZodType, name: string): string {
  const text = `${JSON.stringify(document)}\n`
  const bytes = Buffer.byteLength(text)
  if (bytes > stateFileMaxBytes) {
    throw new OciError(
      'ERR_INVALID_ARGUMENT',
      `${name} would have ${bytes} bytes, it must have at most ${stateFileMaxBytes}`,
    )
  }
  const result = schema.safeParse(JSON.parse(text))
  if (result.success) return text
  const { field, reason } = firstIssue(result.error)
  throw new OciError('ERR_INVALID_ARGUMENT', `${name} cannot be written: ${field ?? 'it'} ${reason}`, {
    field,
    cause: result.error,
  })
}

export function corrupt(file: string, field: string | undefined, reason: string, cause?: unknown): OciError {
  const subject = field === undefined ? file : `${file}: ${field}`
  return new OciError('ERR_STATE_CORRUPT', `${subject} ${reason}`, { file, field, cause })
}

function firstIssue(error: z.ZodError): { field: string | undefined; reason: string } {
  const issue = error.issues[0]
  const field = issue === undefined || issue.path.length === 0 ? undefined : issue.path.join('.')
  const message = issue?.message ?? 'is malformed'
  return { field, reason: message.startsWith('must ') ? message : `is malformed: ${lowerFirst(message)}` }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
