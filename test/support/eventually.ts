/** Waits for a fact that comes by itself. The limit is for what never comes: it is no promise of how long it takes. */
import { vi } from 'vitest'
import { patience } from './patience.ts'

/** How long a test waits for a fact before it says that it does not come. */
export const factMaxMs = patience(60_000)

/** Resolves when `check` no longer throws; rejects with what it throws last. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: factMaxMs, interval: 10 })
}
