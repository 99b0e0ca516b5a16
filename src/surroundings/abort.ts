/**
 * Waits that end before what is waited for: by the caller's AbortSignal, or by a limit on the runtime's clock.
 * Deliberately no AbortSignal.timeout and no AbortSignal.any: the first lives in real time and keeps its timer after the
 * answer, the second keeps every short-lived wait at a long-lived signal.
 */
import type { Clock } from './clock.ts'
import { OciError, type OciErrorDetails, type Operation } from '../errors/index.ts'

/** Anything but an AbortSignal, or none, is ERR_INVALID_ARGUMENT. Recognised by its form: there are several realms. */
export function checkAbortSignal(signal: unknown, operation: Operation): void {
  if (signal === undefined) return
  const isSignal =
    typeof signal === 'object' &&
    signal !== null &&
    'aborted' in signal &&
    'addEventListener' in signal &&
    typeof signal.addEventListener === 'function'
  if (isSignal) return
  throw new OciError('ERR_INVALID_ARGUMENT', 'signal must be an AbortSignal', { field: 'signal', operation })
}

type Waiter = Pick<OciErrorDetails, 'containerId' | 'operation'>

/**
 * `operation`, or ERR_ABORTED, in the words of `errorOf`, as soon as `signal` aborts. The operation goes on; its late failure is
 * nobody's.
 */
export async function withAbort<T>(
  operation: Promise<T>,
  signal: AbortSignal | undefined,
  waiter: Waiter,
  errorOf: (waiter: Waiter, reason: unknown) => OciError = abortedWait,
): Promise<T> {
  if (signal === undefined) return operation
  operation.catch(() => undefined)
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => {
    reject(errorOf(waiter, signal.reason))
  }
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    return await Promise.race([aborted, operation])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

export function abortedWait(waiter: Waiter, reason: unknown): OciError {
  const subject = waiter.containerId === undefined ? '' : ` for container ${waiter.containerId}`
  const message = `the wait${subject} was aborted; the operation itself goes on`
  return new OciError('ERR_ABORTED', message, { ...waiter, cause: reason })
}

/** Of a command, which an abort ends. */
export function abortedCommand(waiter: Waiter, reason: unknown): OciError {
  const message = `the wait for a command in container ${waiter.containerId} was aborted; it is ended unless it is to be left`
  return new OciError('ERR_ABORTED', message, { ...waiter, cause: reason })
}

/** Of a command that was not running `limitMs` after it was asked for. */
export function execStartTimeoutError(waiter: Waiter, limitMs: number): OciError {
  const what = `a command in container ${waiter.containerId} did not begin to run within ${limitMs} ms, and is ended`
  const message = `${what}: stop the container if its processes hold up its commands, else look at the host`
  return new OciError('ERR_TIMEOUT', message, waiter)
}

export interface Limit {
  readonly clock: Clock
  readonly limitMs: number
  /** What the caller is told when the time is up. */
  readonly timedOut: () => OciError
}

/** What `run` gives, or the limit's error. `run` is told by its signal that nobody waits any more, and may ignore it. */
export async function withLimit<T>(
  { clock, limitMs, timedOut }: Limit,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const { promise: over, reject } = Promise.withResolvers<never>()
  const timer = clock.setTimeout(() => {
    const error = timedOut()
    reject(error)
    controller.abort(error)
  }, limitMs)
  try {
    return await Promise.race([over, run(controller.signal)])
  } finally {
    clock.clearTimeout(timer)
  }
}
