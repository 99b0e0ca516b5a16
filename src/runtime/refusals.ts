/** What the façade refuses before it asks anybody. */
import type { RuntimeOptions } from '../compose.ts'
import { isContainer, type Container } from '../container.ts'
import {
  checkOptionsObject,
  inContext,
  kindOf,
  messageOf,
  OciError,
  type Operation,
} from '../errors/index.ts'
import { parseSignal } from '../signals.ts'

export function closedError(state: string, operation: Operation): OciError {
  return new OciError('ERR_CLOSED', `the runtime is ${state}`, { operation })
}

export function notFound(container: Container, operation: Operation): OciError {
  const message = `container ${container.id} is not registered with this runtime; createContainer registers it`
  return new OciError('ERR_NOT_FOUND', message, { containerId: container.id, operation })
}

/** What `runtime.containers.get` answers for an id that nobody has is the usual one. */
export function checkContainer(container: unknown, operation: Operation): void {
  if (isContainer(container)) return
  throw malformed('container', `container is ${kindOf(container)}; it must be a Container`, operation)
}

export function checkCgroupParent(cgroupParent: unknown, containerId: string): void {
  if (cgroupParent === undefined || typeof cgroupParent === 'string') return
  const message = 'cgroupParent must be a string, the cgroup in which the monitor is placed'
  throw malformed('cgroupParent', message, 'createContainer', containerId)
}

export function checkFlag(field: string, value: unknown, operation: Operation, containerId?: string): void {
  if (typeof value === 'boolean') return
  throw malformed(field, `${field} must be a boolean`, operation, containerId)
}

/** The form of each option: what an object has to have, or the type. */
const runtimeOptions: Readonly<
  Record<keyof RuntimeOptions, readonly string[] | 'string' | 'boolean' | 'function' | 'object'>
> = {
  logger: ['debug', 'info', 'warn', 'error'],
  store: ['add', 'get', 'delete', 'list', 'first', 'applyAll'],
  clock: ['now', 'setTimeout', 'clearTimeout'],
  implementations: 'object',
  nodePath: 'string',
  launcherPath: 'string',
  attachBridgePath: 'string',
  stateDirectory: ['prepare', 'write', 'forget'],
  onMonitorLost: 'function',
  limits: 'object',
  recover: 'boolean',
}

/** Nothing is opened for options that are none. */
export function checkRuntimeOptions(options: RuntimeOptions): void {
  checkOptionsObject(options, 'open')
  for (const [field, form] of Object.entries(runtimeOptions)) {
    const value: unknown = Reflect.get(options, field)
    if (value === undefined) continue
    if (typeof form === 'string') {
      if (typeof value === form && value !== null) continue
      throw malformed(field, `${field} must be a ${form}`, 'open')
    }
    const missing = form.filter((name) => typeof Reflect.get(Object(value), name) !== 'function')
    if (missing.length > 0)
      throw malformed(field, `${field} must have the methods ${form.join(', ')}`, 'open')
  }
  for (const [name, limit] of Object.entries<unknown>({ ...options.limits })) {
    if (limit === undefined || (typeof limit === 'number' && limit >= 0)) continue
    throw malformed(`limits.${name}`, `limits.${name} must be a number, 0 or more`, 'open')
  }
}

export function malformed(
  field: string,
  message: string,
  operation: Operation,
  containerId?: string,
): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', message, { containerId, operation, field })
}

export function checkDuplex(stream: unknown, operation: Operation, containerId: string): void {
  if (typeof stream === 'object' && stream !== null && 'pipe' in stream && 'write' in stream) return
  throw malformed('stream', 'stream must be a Duplex, such as a socket', operation, containerId)
}

/** Of a stop: ≤ 0 kills at once, Infinity never kills. */
export function checkStopTimeout(timeoutSeconds: unknown, operation: Operation, containerId?: string): void {
  if (typeof timeoutSeconds === 'number' && !Number.isNaN(timeoutSeconds)) return
  const message = `timeoutSeconds is ${messageOf(timeoutSeconds)}; it must be a number, ≤ 0 to kill at once or Infinity to never kill`
  throw malformed('timeoutSeconds', message, operation, containerId)
}

/** The number of a signal to be sent. */
export function signalNumber(signal: string | number, containerId: string): number {
  try {
    return parseSignal(signal)
  } catch (error) {
    throw inContext(error, { containerId, operation: 'signalContainer' })
  }
}

/** The time limit of a command in milliseconds; undefined: none. */
export function execTimeoutMs(timeoutSeconds: unknown, containerId: string): number | undefined {
  if (typeof timeoutSeconds !== 'number' || Number.isNaN(timeoutSeconds)) {
    const message = `timeoutSeconds is ${typeof timeoutSeconds}; it must be a number of seconds, 0 for no limit`
    throw malformed('timeoutSeconds', message, 'execSyncContainer', containerId)
  }
  return timeoutSeconds > 0 && timeoutSeconds < Infinity ? timeoutSeconds * 1000 : undefined
}
