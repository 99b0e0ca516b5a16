import { parse } from 'toml'
import { z } from 'zod'
import { kindOf, messageOf, OciError } from '../errors/index.ts'
import type { Config, ConfigWarning } from './config.ts'
import { configFileMaxBytes } from './constants.ts'
import { ignoredHandlerKeys, ignoredRuntimeKeys } from './crio-keys.ts'
import { resolveConfig } from './resolve.ts'
import { schemaError, tomlKey, type Source } from './source.ts'
import { document, handlerTable, ownTable, runtimeTable } from './toml-schema.ts'
import { keysOf, unknownKeys } from './unknown-keys.ts'

const runtimeKeys = [...Object.keys(runtimeTable.shape), ...ignoredRuntimeKeys]
const handlerKeys = [...Object.keys(handlerTable.shape), ...ignoredHandlerKeys]
const ownKeys = Object.keys(ownTable.shape)

/** How the TOML parser reports a place: the grammar's errors have a location, those of meaning a line and a column. */
const syntaxErrorShape = z.object({
  found: z.string().nullable(),
  location: z.object({ start: z.object({ line: z.number(), column: z.number() }) }),
})
const meaningErrorShape = z.object({ message: z.string(), line: z.number(), column: z.number() })

/**
 * A valid, complete, frozen configuration from the text of a crio.conf or of our own TOML file. Tables of CRI-O other
 * than `[crio.runtime]` are left alone; keys that nobody knows are in `warnings`.
 * Throws ERR_CONFIG with `field`, the dotted key as in `crio.runtime.runtimes.crun.runtime_path`, and `file`, when
 * given; for text that is no TOML the message has the line and column.
 */
export function parseConfig(text: string, file?: string): Config {
  if (typeof text !== 'string') throw noText('text', text)
  if (file !== undefined && typeof file !== 'string') throw noText('file', file)
  const tables = parseToml(text, file)
  const source: Source = { operation: 'parseConfig', file, key: tomlKey, warnings: tomlWarnings(tables) }
  const checked = document.safeParse(tables, { reportInput: true })
  if (!checked.success) throw schemaError(source, checked.error)
  return resolveConfig(checked.data, source)
}

function noText(field: string, value: unknown): OciError {
  const message = `${field} must be a string, not ${kindOf(value)}`
  return new OciError('ERR_INVALID_ARGUMENT', message, { operation: 'parseConfig', field })
}

function parseToml(text: string, file: string | undefined): unknown {
  const place = file === undefined ? '' : `${file}: `
  if (Buffer.byteLength(text) > configFileMaxBytes) {
    const message = `${place}the configuration must not be larger than ${configFileMaxBytes} bytes`
    throw new OciError('ERR_CONFIG', message, { operation: 'parseConfig', file })
  }
  try {
    return parse(text)
  } catch (error) {
    const message = `${place}${syntaxErrorText(error)}`
    throw new OciError('ERR_CONFIG', message, { operation: 'parseConfig', file, cause: error })
  }
}

function syntaxErrorText(error: unknown): string {
  const syntax = syntaxErrorShape.safeParse(error)
  if (syntax.success) {
    const { line, column } = syntax.data.location.start
    const found = syntax.data.found === null ? 'the end of the text' : JSON.stringify(syntax.data.found)
    return `not valid TOML at line ${line}, column ${column}: unexpected ${found}`
  }
  const meaning = meaningErrorShape.safeParse(error)
  if (meaning.success) {
    const { line, column, message } = meaning.data
    return `not valid TOML at line ${line}, column ${column}: ${message.replace(/\.$/, '')}`
  }
  return `not valid TOML: ${messageOf(error)}`
}

function tomlWarnings(tables: unknown): readonly ConfigWarning[] {
  const crio = entry(tables, 'crio')
  const runtime = entry(crio, 'runtime')
  const runtimes = entry(runtime, 'runtimes')
  const own = entry(tables, 'oci-supervisor')
  const warnings = [
    ...unknownKeys(tables, { path: [], keys: ['crio', 'oci-supervisor'], report: 'near' }),
    ...unknownKeys(crio, { path: ['crio'], keys: ['runtime'], report: 'near' }),
    ...unknownKeys(own, { path: ['oci-supervisor'], keys: ownKeys, report: 'all' }),
    ...unknownKeys(runtime, { path: ['crio', 'runtime'], keys: runtimeKeys, report: 'all' }),
  ]
  for (const name of keysOf(runtimes)) {
    const path = ['crio', 'runtime', 'runtimes', name]
    warnings.push(...unknownKeys(entry(runtimes, name), { path, keys: handlerKeys, report: 'all' }))
  }
  return warnings
}

function entry(table: unknown, name: string): unknown {
  return typeof table === 'object' && table !== null && Object.hasOwn(table, name)
    ? Reflect.get(table, name)
    : undefined
}
