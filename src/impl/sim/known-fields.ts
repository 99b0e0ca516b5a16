/** Refuses what a test misspelt: without types nobody else would, and the simulated world would do something else. */
import { checkOptionsObject, OciError } from '../../errors/index.ts'

/** Throws ERR_INVALID_ARGUMENT with the field for one that is not among `known`. `prefix` is where it stands: `usage.`. */
export function checkFields(
  what: string,
  value: object,
  known: Readonly<Record<string, true>>,
  prefix = '',
): void {
  checkOptionsObject(value, undefined, prefix === '' ? what : prefix.slice(0, -1))
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(known, name)) continue
    const field = `${prefix}${name}`
    const message = `${field} is no field of ${what}; it may have ${Object.keys(known).join(', ')}`
    throw new OciError('ERR_INVALID_ARGUMENT', message, { field })
  }
}
