/** Waiting with a limit. The timers here are cancelled as soon as nobody waits for them. */

/** Node's timers overflow above this and would fire at once. */
const timerMaxMs = 2 ** 31 - 1

/** Waits for an event at most so long; undefined when the time is up. */
export async function within<T>(event: Promise<T>, limitMs: number): Promise<T | undefined> {
  const over = new AbortController()
  const late = new Promise<undefined>((resolve) =>
    whenExpired(limitMs, over.signal, () => resolve(undefined)),
  )
  try {
    return await Promise.race([event, late])
  } finally {
    over.abort()
  }
}

/**
 * Calls back when the time is up and what had arrived by then has been read, unless it is aborted before. After a stall of
 * the event loop the timers run before the messages that came in meanwhile, and would accuse the innocent.
 */
export function whenExpired(limitMs: number, cancel: AbortSignal, expired: () => void): void {
  const timer = setTimeout(
    () => setImmediate(() => cancel.aborted || expired()),
    Math.min(limitMs, timerMaxMs),
  )
  cancel.addEventListener('abort', () => clearTimeout(timer), { once: true })
}

export function whenAborted(signal: AbortSignal): Promise<'abort'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('abort')
    else signal.addEventListener('abort', () => resolve('abort'), { once: true })
  })
}

/** As {@link whenAborted}, until `over` is: one signal may be given to thousands of probes, and keeps no listener of them. */
export function abortedWhile(signal: AbortSignal, over: AbortSignal): Promise<'abort'> {
  return new Promise((resolve) => {
    const onAbort = (): void => resolve('abort')
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort)
    // By hand: the option `signal` leaves some bytes with the target each time.
    over.addEventListener('abort', () => signal.removeEventListener('abort', onAbort), { once: true })
  })
}
