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

/** `operation`, or ERR_ABORTED as soon as `signal` aborts. The operation goes on; its late failure is nobody's. */
export async function withAbort<T>(
  operation: Promise<T>,
  signal: AbortSignal | undefined,
  waiter: Pick<OciErrorDetails, 'containerId' | 'operation'>,
): Promise<T> {
  if (signal === undefined) return operation
  operation.catch(() => undefined)
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => {
    reject(abortedWait(waiter, signal.reason))
  }
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    return await Promise.race([aborted, operation])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

export function abortedWait(
  waiter: Pick<OciErrorDetails, 'containerId' | 'operation'>,
  reason: unknown,
): OciError {
  const subject = waiter.containerId === undefined ? '' : ` for container ${waiter.containerId}`
  const message = `the wait${subject} was aborted; the operation itself goes on`
  return new OciError('ERR_ABORTED', message, { ...waiter, cause: reason })
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
