/** The order in which containers are listed. */
import type { Container } from '../container.ts'

/** Containers sorted by creation date, newest first. Parity: the seed's History. */
export type History = Container[]

/** A sorted copy. Containers created in the same millisecond are in the order of their ids, so that lists are stable. */
export function newestFirst(containers: Iterable<Container>): History {
  return [...containers].toSorted(compareNewestFirst)
}

function compareNewestFirst(a: Container, b: Container): number {
  const laterMs = b.createdAt.getTime() - a.createdAt.getTime()
  if (laterMs !== 0) return laterMs
  // Not localeCompare: the order must not depend on the locale of the host.
  return a.id < b.id ? -1 : Number(a.id > b.id)
}
