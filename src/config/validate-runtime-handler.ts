import { OciError } from '../errors/index.ts'
import type { Config, RuntimeHandler } from './config.ts'
import { handlerNames, needsPath } from './handlers.ts'

/**
 * The handler of that name. Throws ERR_UNKNOWN_HANDLER when the name is empty or not configured, with the names that
 * are, and ERR_CONFIG when the handler has no path although its type runs a program.
 * Parity: ValidateRuntimeHandler.
 */
export function validateRuntimeHandler(config: Pick<Config, 'runtimes'>, name: string): RuntimeHandler {
  const operation = 'validateRuntimeHandler'
  const handler =
    typeof name === 'string' && Object.hasOwn(config.runtimes, name) ? config.runtimes[name] : undefined
  if (handler === undefined) {
    const wrong =
      name === ''
        ? 'the runtime handler is empty'
        : `no runtime handler ${typeof name === 'string' ? JSON.stringify(name) : `of type ${typeof name}`} is configured`
    const message = `${wrong}; configured handlers: ${handlerNames(config.runtimes)}`
    throw new OciError('ERR_UNKNOWN_HANDLER', message, { operation, field: 'runtimeHandler' })
  }
  if (needsPath(handler) && handler.runtimePath === undefined) {
    const field = `crio.runtime.runtimes.${name}.runtime_path`
    const message = `the runtime handler "${name}" has no path; set ${field} or put a program of that name on PATH`
    throw new OciError('ERR_CONFIG', message, { operation, field })
  }
  return handler
}
