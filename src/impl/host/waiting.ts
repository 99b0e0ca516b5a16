/** Waiting for something that gives no notice, such as the end of a process that is nobody's child. */
import { setTimeout as delay } from 'node:timers/promises'
import { OciError } from '../../errors/index.ts'

const pauseMinMs = 2
const pauseMaxMs = 100

/**
 * Looks until `look` says yes (true) or `timeoutMs` is over (false). Throws ERR_ABORTED when `signal` is aborted, and what
 * `look` throws.
 */
export async function waitUntil(
  look: () => Promise<boolean>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const endMs = performance.now() + timeoutMs
  for (let pauseMs = pauseMinMs; ; pauseMs = Math.min(2 * pauseMs, pauseMaxMs)) {
    throwIfAborted(signal)
    if (await look()) return true
    const leftMs = endMs - performance.now()
    if (leftMs <= 0) return false
    await delay(Math.min(pauseMs, leftMs), undefined, { ref: false })
  }
}

/**
 * What becomes of `work`, or ERR_ABORTED as soon as `signal` is aborted, whoever holds the work up. It goes on and has to
 * clean up after itself; its late failure is nobody's.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined)
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(abortedError(signal))
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()
  try {
    return await Promise.race([aborted.promise, work])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortedError(signal)
}

function abortedError({ reason }: AbortSignal): OciError {
  return new OciError('ERR_ABORTED', 'nobody waits for this any more', { cause: reason })
}
