/**
 * OCI bundles: writing one for a spec, and reading the spec that a container is going to be created from. A bundle's
 * config.json may come from anywhere, so it is opened without following links or waiting, and bounded.
 *
 * Deliberately not here: the validation that the runtime does itself, and anything about the root filesystem.
 */
import { lstat } from 'node:fs/promises'
import { isContainer, type Container } from '../container.ts'
import { errnoOf, inContext, isOciError, kindOf, OciError, publicVerb } from '../errors/index.ts'
import { ensurePrivateDirectory, ioError, readTextFile, writeTextFile } from '../files.ts'
import type { OciSpec } from './oci-spec.ts'

export { defaultSpec, type DefaultSpecOptions } from './default-spec.ts'

/** A larger config.json is refused with ERR_BUNDLE: specs have some ten KiB, those with large seccomp profiles some hundred. */
export const bundleConfigMaxBytes = 4_194_304

/**
 * Writes `spec` as the config.json (mode 0600) of the bundle `dir`, which is created with mode 0700 if it is missing; an
 * existing config.json is replaced atomically. Throws ERR_BUNDLE when the spec is not usable or something that is not a
 * regular file has that name, ERR_INVALID_ARGUMENT when `dir` is not a private directory, ERR_IO.
 */
export async function writeBundle(dir: string, spec: OciSpec): Promise<void> {
  await publicVerb({ operation: 'writeBundle', code: 'ERR_BUNDLE' }, () => write(dir, spec))
}

async function write(dir: string, spec: OciSpec): Promise<void> {
  if (typeof dir !== 'string') {
    const message = `dir must be a string, the absolute path of a directory, not ${kindOf(dir)}`
    throw new OciError('ERR_INVALID_ARGUMENT', message, { field: 'dir' })
  }
  const file = configPath(dir)
  assertSpec(spec, file)
  const text = `${JSON.stringify(spec, undefined, 2)}\n`
  if (Buffer.byteLength(text) > bundleConfigMaxBytes) {
    throw unusable(file, undefined, `would be larger than ${bundleConfigMaxBytes} bytes`)
  }
  await ensurePrivateDirectory(dir, 'dir')
  await refuseForeignFile(file)
  await writeTextFile(file, text)
}

async function refuseForeignFile(file: string): Promise<void> {
  try {
    const stats = await lstat(file)
    if (!stats.isFile()) throw unusable(file, undefined, 'is there and not a regular file, it is left alone')
  } catch (error) {
    if (isOciError(error)) throw error
    if (errnoOf(error) !== 'ENOENT') throw ioError('examine', file, error)
  }
}

/**
 * The spec that a container is created from: the one given to `setSpec`, else its bundle's config.json. ERR_BUNDLE names
 * the file and the field when it is missing, not a regular file (a symbolic link is not), larger than
 * {@link bundleConfigMaxBytes}, not JSON, or without `ociVersion` or `process.args`; ERR_IO when the system refuses.
 */
export async function readBundleSpec(container: Container): Promise<OciSpec> {
  if (!isContainer(container)) {
    const message = `container must be a Container, not ${kindOf(container)}`
    throw new OciError('ERR_INVALID_ARGUMENT', message, { operation: 'readBundleSpec', field: 'container' })
  }
  try {
    const given = container.spec
    if (given === undefined) return await readConfig(configPath(container.bundlePath))
    assertSpec(given, undefined)
    return given
  } catch (error) {
    throw inContext(error, { containerId: container.id, operation: 'createContainer' })
  }
}

async function readConfig(file: string): Promise<OciSpec> {
  const text = await readTextFile(file, { maxBytes: bundleConfigMaxBytes, code: 'ERR_BUNDLE' })
  if (text === undefined) throw unusable(file, undefined, 'does not exist')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw unusable(file, undefined, 'is not JSON', error)
  }
  assertSpec(value, file)
  return value
}

/** What this library relies on; everything else is the runtime's to judge. */
function assertSpec(value: unknown, file: string | undefined): asserts value is OciSpec {
  if (!isObject(value)) throw unusable(file, undefined, 'must be a JSON object')
  if (typeof value['ociVersion'] !== 'string' || value['ociVersion'] === '') {
    throw unusable(file, 'ociVersion', 'must be a version')
  }
  const process = value['process']
  if (!isObject(process)) throw unusable(file, 'process', 'must be an object')
  assertArgs(process['args'], file)
  refuseNul(value, file)
}

function assertArgs(args: unknown, file: string | undefined): void {
  if (!Array.isArray(args) || args.length === 0) throw unusable(file, 'process.args', 'must name a command')
  const wrong = args.findIndex((arg) => typeof arg !== 'string' || arg.includes('\0'))
  if (wrong >= 0) throw unusable(file, `process.args.${wrong}`, 'must be a string without NUL')
  if (args[0] === '') throw unusable(file, 'process.args.0', 'must be a command')
}

/**
 * A runtime in C reads such a string up to the NUL, one in Go as a whole: nobody could say what it runs. With a stack of
 * its own, since JSON may be nested deeper than calls.
 */
function refuseNul(spec: object, file: string | undefined): void {
  const seen = new Set<object>([spec])
  const open: (readonly [object, string])[] = [[spec, '']]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [parent, path] = next
    for (const [key, value] of Object.entries<unknown>({ ...parent })) {
      if (key.includes('\0'))
        throw unusable(file, path.slice(1) || undefined, 'must not have a key with a NUL')
      const field = `${path}.${key}`
      if (typeof value === 'string' && value.includes('\0')) {
        throw unusable(file, field.slice(1), 'must be without NUL')
      }
      if (typeof value !== 'object' || value === null || seen.has(value)) continue
      seen.add(value)
      open.push([value, field])
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function configPath(dir: string): string {
  return `${dir}/config.json`
}

function unusable(
  file: string | undefined,
  field: string | undefined,
  reason: string,
  cause?: unknown,
): OciError {
  const subject = [file ?? 'the spec', ...(field === undefined ? [] : [field])].join(': ')
  return new OciError('ERR_BUNDLE', `${subject} ${reason}`, { file, field, cause })
}
