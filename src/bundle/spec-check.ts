/**
 * What this library relies on in an OCI specification; everything else is the runtime's to judge. Stepwise, since a tenant
 * chooses how much of it there is.
 */
import { OciError } from '../errors/index.ts'
import type { Stepwise } from '../surroundings/slices.ts'
import type { OciSpec } from './oci-spec.ts'
import { specDepthMax, specValuesMax, tooDeep, tooManyValues } from './spec-json.ts'

const valuesPerStep = 256
const integerMin = -(2n ** 63n)
const integerMax = 2n ** 64n - 1n
const wholeNumber = `must be a whole number from ${integerMin} to ${integerMax}`

/** What the specification has at its top. All numbers in it are integers; beside it there may be others. */
const specified = new Set('process root mounts hooks annotations linux solaris windows vm zos'.split(' '))

/** The spec that `value` is. Throws ERR_BUNDLE with the field; `file` is undefined where there is none. */
export function* checkSpec(value: unknown, file: string | undefined): Stepwise<OciSpec> {
  assertShape(value, file)
  yield* checkValues(value, file)
  return value
}

function assertShape(value: unknown, file: string | undefined): asserts value is OciSpec {
  if (!isFields(value) || Array.isArray(value)) throw unusable(file, undefined, 'must be a JSON object')
  if (typeof value['ociVersion'] !== 'string' || value['ociVersion'] === '') {
    throw unusable(file, 'ociVersion', 'must be a version')
  }
  const process = value['process']
  if (!isFields(process) || Array.isArray(process)) throw unusable(file, 'process', 'must be an object')
  assertArgs(process['args'], file)
}

function assertArgs(args: unknown, file: string | undefined): void {
  if (!Array.isArray(args) || args.length === 0) throw unusable(file, 'process.args', 'must name a command')
  const wrong = args.findIndex((arg) => typeof arg !== 'string' || arg.includes('\0'))
  if (wrong >= 0) throw unusable(file, `process.args.${wrong}`, 'must be a string without NUL')
  if (args[0] === '') throw unusable(file, 'process.args.0', 'must be a command')
}

interface Place {
  readonly fields: Record<string, unknown>
  readonly path: readonly string[]
}

/** Object for object, with a list of those that are still to be looked at. What leads back to itself is too deep. */
function* checkValues(spec: OciSpec, file: string | undefined): Stepwise<undefined> {
  const open: Place[] = [{ fields: spec, path: [] }]
  let valuesCount = 1
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { fields, path } = next
    if (path.length >= specDepthMax) throw unusable(file, undefined, tooDeep)
    // One by one: a list of all entries of a large list would be a long step.
    const keys = Array.isArray(fields) ? fields.keys() : Object.keys(fields)
    for (const key of keys) {
      valuesCount += 1
      if (valuesCount > specValuesMax) throw unusable(file, undefined, tooManyValues)
      if (valuesCount % valuesPerStep === 0) yield
      if (typeof key === 'string' && key.includes('\0'))
        throw unusable(file, path.join('.') || undefined, 'must not have a key with a NUL')
      const value = fields[key]
      if (isFields(value)) open.push({ fields: value, path: [...path, String(key)] })
      const rule = ruleBroken(value, path)
      if (rule !== undefined) throw unusable(file, [...path, key].join('.'), rule)
    }
  }
}

/** What a value must be that would be changed, or read in different ways, on its way into the container. */
function ruleBroken(value: unknown, [top = '']: readonly string[]): string | undefined {
  if (typeof value === 'string') {
    // A runtime in C reads it up to the NUL, one in Go as a whole: nobody could say what it runs.
    return value.includes('\0') ? 'must be without NUL' : undefined
  }
  if (typeof value === 'bigint') {
    return value < integerMin || value > integerMax ? `${wholeNumber}; it is ${value}` : undefined
  }
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return undefined
  if (Number.isInteger(value)) {
    return `must be a bigint, as a number is not exact beyond ${Number.MAX_SAFE_INTEGER}; it is ${value}`
  }
  const isRight = Number.isFinite(value) && !specified.has(top)
  return isRight ? undefined : `${wholeNumber}; it is ${value}`
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

export function unusable(
  file: string | undefined,
  field: string | undefined,
  reason: string,
  cause?: unknown,
): OciError {
  const subject = [file ?? 'the spec', ...(field === undefined ? [] : [field])].join(': ')
  return new OciError('ERR_BUNDLE', `${subject} ${reason}`, { file, field, cause })
}
