/**
 * OCI bundles: writing one for a spec, and reading the spec that a container is going to be created from. A bundle's
 * config.json may come from anywhere, so it is opened without following links or waiting, and bounded.
 *
 * Deliberately not here: the validation that the runtime does itself, and anything about the root filesystem.
 */
import { lstat } from 'node:fs/promises'
import { isContainer, type Container } from '../container.ts'
import { isError, errnoOf, inContext, isOciError, kindOf, OciError, publicVerb } from '../errors/index.ts'
import { ensurePrivateDirectory, ioError, readTextFile, writeTextFile } from '../files.ts'
import { atOnce, inSlices } from '../surroundings/slices.ts'
import type { OciSpec } from './oci-spec.ts'
import { checkSpec, unusable } from './spec-check.ts'
import { parseSpecJson, specJson } from './spec-json.ts'

export { defaultSpec, type DefaultSpecOptions } from './default-spec.ts'

/** A larger config.json is refused with ERR_BUNDLE: specs have some ten KiB, those with large seccomp profiles some hundred. */
export const bundleConfigMaxBytes = 4_194_304

/**
 * Writes `spec` as the config.json (mode 0600) of the bundle `dir`, which is created with mode 0700 if it is missing; an
 * existing config.json is replaced atomically. Integers of 64 bits stay exact, as `bigint` beyond 2⁵³ − 1. Throws ERR_BUNDLE when
 * the spec is not usable (with the field, also of a number that is no such integer) or something that is not a regular file
 * has that name, ERR_INVALID_ARGUMENT when `dir` is not a private directory, ERR_IO.
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
  // Before anything is waited for: the spec is the caller's, who may change it for the next bundle.
  const text = `${atOnce(specJson(atOnce(checkSpec(spec, file)), '  '))}\n`
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
 * {@link bundleConfigMaxBytes}, not JSON, nested deeper than 100 levels, of more than 65,536 values, without `ociVersion` or
 * `process.args`, or with a number that is no integer of 64 bits. Those beyond 2⁵³ − 1 are a `bigint`. ERR_IO when the system
 * refuses.
 */
export async function readBundleSpec(container: Container): Promise<OciSpec> {
  if (!isContainer(container)) {
    const message = `container must be a Container, not ${kindOf(container)}`
    throw new OciError('ERR_INVALID_ARGUMENT', message, { operation: 'readBundleSpec', field: 'container' })
  }
  try {
    const given = container.spec
    if (given === undefined) return await readConfig(configPath(container.bundlePath))
    return await inSlices(checkSpec(given, undefined))
  } catch (error) {
    throw inContext(error, { containerId: container.id, operation: 'createContainer' })
  }
}

async function readConfig(file: string): Promise<OciSpec> {
  const text = await readTextFile(file, { maxBytes: bundleConfigMaxBytes, code: 'ERR_BUNDLE' })
  if (text === undefined) throw unusable(file, undefined, 'does not exist')
  return inSlices(checkSpec(await parse(text, file), file))
}

async function parse(text: string, file: string): Promise<unknown> {
  try {
    return await inSlices(parseSpecJson(text))
  } catch (error) {
    throw unusable(
      file,
      undefined,
      isError(error) && error.name === 'RangeError' ? error.message : 'is not JSON',
      error,
    )
  }
}

function configPath(dir: string): string {
  return `${dir}/config.json`
}
