import { checkOptionsObject, inContext, publicCall } from '../errors/index.ts'
import type { Config, ConfigInput, ConfigWarning } from './config.ts'
import { isResolved, resolveConfig } from './resolve.ts'
import { handlerSettings, settings } from './settings.ts'
import { dottedKey, schemaError, type Source } from './source.ts'
import { keysOf, unknownKeys } from './unknown-keys.ts'

const settingKeys = Object.keys(settings.shape)
const handlerKeys = Object.keys(handlerSettings.shape)

/**
 * A valid, complete, frozen configuration from JavaScript. A {@link Config} is valid input too and comes out equal (its
 * warnings aside), so `defineConfig({ ...config, noPivot: true })` changes one value of a loaded one.
 * Throws ERR_CONFIG with `field`, the dotted key, when a value is malformed, values contradict each other, or the
 * default handler is missing or has no path. Parity: the checks of the seed's New.
 */
export function defineConfig(input: ConfigInput): Config {
  return publicCall({ operation: 'defineConfig', code: 'ERR_CONFIG' }, () => checked(input))
}

/** A configuration to open a runtime with: one of ours, or what a program without types holds for one. */
export function checkedConfig(config: Config): Config {
  if (isResolved(config)) return config
  try {
    checkOptionsObject(config, 'open', 'config')
    return defineConfig(config)
  } catch (error) {
    throw inContext(error, { operation: 'open' })
  }
}

function checked(input: ConfigInput): Config {
  const source: Source = {
    operation: 'defineConfig',
    file: undefined,
    key: dottedKey,
    warnings: inputWarnings(input),
  }
  const parsed = settings.safeParse(input, { reportInput: true })
  if (!parsed.success) throw schemaError(source, parsed.error)
  return resolveConfig(parsed.data, source)
}

/** Types catch these in TypeScript; not in JavaScript, and not in an object that was spread. */
function inputWarnings(input: unknown): readonly ConfigWarning[] {
  const warnings = [...unknownKeys(input, { path: [], keys: [...settingKeys, 'warnings'], report: 'all' })]
  const runtimes: unknown = property(input, 'runtimes')
  for (const name of keysOf(runtimes)) {
    const handler = property(runtimes, name)
    warnings.push(...unknownKeys(handler, { path: ['runtimes', name], keys: handlerKeys, report: 'all' }))
  }
  return warnings
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
