/**
 * The rules for the fields of a container's description. Each check gives the value back, copied where its owner could
 * change it later, or throws ERR_INVALID_ARGUMENT naming the field.
 */
import type { ContainerMetadata, ContainerVolume, IdMappings } from './container.ts'
import { checkOptionsObject, OciError, publicCall } from './errors/index.ts'

/** True for a legal container id. */
export function isContainerId(id: unknown): id is string {
  return typeof id === 'string' && /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(id)
}

/** `id` if it is a legal container id, else ERR_INVALID_ARGUMENT. */
export function validId(id: string): string {
  if (isContainerId(id)) return id
  throw malformed(
    'id',
    id,
    'must be 1 to 128 characters of A-Z a-z 0-9 _ . - and begin with a letter or digit',
  )
}

/** Linux's PATH_MAX, without the final NUL. */
const pathMaxBytes = 4095

export function absolutePath(field: string, path: string): string {
  const legal = isText(path) && path.startsWith('/') && !path.split('/').includes('..')
  if (!legal) throw malformed(field, path, "must be an absolute path without '..'")
  if (Buffer.byteLength(path) > pathMaxBytes)
    throw malformed(field, undefined, `must have at most ${pathMaxBytes} bytes`)
  return path.length > 1 && path.endsWith('/') ? path.slice(0, lengthWithoutSlashes(path)) : path
}

function lengthWithoutSlashes(path: string): number {
  let length = path.length
  while (length > 1 && path[length - 1] === '/') length--
  return length
}

/** A copy without getters, which could throw, or answer differently the second time. */
export function plainCopy<T extends object>(field: string, value: T): T {
  checkOptionsObject(value, undefined, field)
  return publicCall({ operation: undefined }, () => ({ ...value }))
}

/** Values end up in argument vectors, where a NUL ends them early. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0')
}

export function text(field: string, value: string | undefined): string | undefined {
  if (value === undefined || isText(value)) return value
  throw malformed(field, value, 'must be a string without NUL')
}

export function flag(field: string, value: boolean | undefined): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false
  throw malformed(field, value, 'must be a boolean')
}

/** A copy: a Date can be changed by whoever holds it. */
export function date(field: string, value: Date): Date {
  const ms = timeOf(value)
  if (ms !== undefined) return new Date(ms)
  throw malformed(field, undefined, 'must be a valid Date')
}

/** Of a Date of any realm, which `instanceof` does not know. */
function timeOf(value: Date): number | undefined {
  try {
    const ms = Date.prototype.getTime.call(value)
    return Number.isNaN(ms) ? undefined : ms
  } catch {
    return undefined
  }
}

export function metadata(value: ContainerMetadata | undefined): ContainerMetadata | undefined {
  if (value === undefined) return undefined
  const { name, attempt } = plainCopy('metadata', value)
  if (!isText(name)) throw malformed('metadata.name', name, 'must be a string without NUL')
  if (!Number.isSafeInteger(attempt) || attempt < 0) {
    throw malformed('metadata.attempt', attempt, 'must be a whole number, 0 or more')
  }
  return Object.freeze({ name, attempt })
}

/** A copy, of plain data only. */
export function idMappings(value: IdMappings): IdMappings {
  const { uids, gids } = plainCopy('mappings', value)
  if (!Array.isArray(uids) || !Array.isArray(gids))
    throw malformed('mappings', undefined, 'must have the lists uids and gids')
  try {
    return structuredClone({ uids, gids })
  } catch {
    throw malformed('mappings', undefined, 'must be plain data')
  }
}

export function containerVolume(value: ContainerVolume): ContainerVolume {
  const { containerPath, hostPath, readonly } = plainCopy('volume', value)
  if (!isText(containerPath))
    throw malformed('volume.containerPath', containerPath, 'must be a string without NUL')
  if (!isText(hostPath)) throw malformed('volume.hostPath', hostPath, 'must be a string without NUL')
  return Object.freeze({ containerPath, hostPath, readonly: flag('volume.readonly', readonly) })
}

const stringMapMaxBytes = 262_144

export function stringMap(
  field: string,
  map: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const entries = Object.entries(plainCopy(field, map ?? {}))
  let bytes = 0
  for (const [key, value] of entries) {
    if (!isText(key) || key === '')
      throw malformed(field, key, 'must have names that are not empty and without NUL')
    if (!isText(value)) throw malformed(`${field}.${key}`, value, 'must be a string without NUL')
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (bytes > stringMapMaxBytes)
    throw malformed(field, undefined, `must have at most ${stringMapMaxBytes} bytes`)
  return Object.freeze(Object.fromEntries(entries))
}

function malformed(field: string, value: unknown, rule: string): OciError {
  const shown = value === undefined ? '' : ` ${shortened(value)}`
  return new OciError('ERR_INVALID_ARGUMENT', `${field}${shown} ${rule}`, { field })
}

function shortened(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 200)) : `of type ${typeof value}`
}
