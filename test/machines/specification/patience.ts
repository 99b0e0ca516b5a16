/** How a walk waits: for ever is a failure, in real and in simulated time. */
import { setTimeout as delay } from 'node:timers/promises'
import type { SimulatedClock } from '../../../src/testing.ts'

export interface Patience {
  /** As `promise`; rejects when it takes too long, saying so. */
  within<T>(promise: Promise<T>): Promise<T>
  /** Resolves once `isSo` is true; rejects when it does not become so. */
  until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void>
}

const pollMs = 10

export function realPatience(limitMs: number): Patience {
  return {
    within: async (promise) => {
      const done = new AbortController()
      const tooLong = delay(limitMs, undefined, { signal: done.signal }).then(() => {
        throw new Error(`it is not over after ${limitMs} ms`)
      })
      // Aborted below, when nobody looks at it any more.
      tooLong.catch(() => undefined)
      try {
        return await Promise.race([promise, tooLong])
      } finally {
        done.abort()
      }
    },
    until: async (what, isSo) => {
      const deadlineMs = performance.now() + limitMs
      while (!(await isSo())) {
        if (performance.now() > deadlineMs) throw new Error(`${what} has not come true after ${limitMs} ms`)
        await delay(pollMs)
      }
    },
  }
}

export function simulatedPatience(clock: SimulatedClock, limitMs: number): Patience {
  return {
    within: (promise) => clock.runUntil(promise, { withinMs: limitMs }),
    until: async (what, isSo) => {
      const deadlineMs = clock.now() + limitMs
      while (!(await isSo())) {
        if (clock.now() > deadlineMs) throw new Error(`${what} has not come true after ${limitMs} ms`)
        await clock.advance(pollMs)
      }
    },
  }
}
