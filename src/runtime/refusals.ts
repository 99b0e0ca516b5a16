/** What the façade refuses before it asks anybody. */
import type { Container } from '../container.ts'
import { inContext, OciError, type Operation } from '../errors/index.ts'
import { parseSignal } from '../signals.ts'

export function closedError(state: string, operation: Operation): OciError {
  return new OciError('ERR_CLOSED', `the runtime is ${state}`, { operation })
}

export function notFound(container: Container, operation: Operation): OciError {
  const message = `container ${container.id} is not registered with this runtime; createContainer registers it`
  return new OciError('ERR_NOT_FOUND', message, { containerId: container.id, operation })
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
  const message = `timeoutSeconds is ${String(timeoutSeconds)}; it must be a number, ≤ 0 to kill at once or Infinity to never kill`
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
