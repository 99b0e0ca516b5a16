/** Work side by side. */

/**
 * Resolves when all of it is done. Rejects when something has failed, but only once the rest has ended as well: what went on
 * would be in the way of whoever cleans up.
 */
export async function allEnded(works: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(works)
  await Promise.all(works)
}
