/** The filter of a subscriber as one predicate. */
import { OciError } from '../errors/index.ts'
import type { ContainerEvent, EventFilter } from './event-types.ts'

export type EventPredicate = (event: ContainerEvent) => boolean

/** Throws ERR_INVALID_ARGUMENT naming the field when `filter` is neither lists nor a function. */
export function predicateOf(filter: EventFilter | undefined): EventPredicate {
  if (filter === undefined) return () => true
  if (typeof filter === 'function') return filter
  const ids = setOf('filter.ids', filter.ids)
  const types = setOf('filter.types', filter.types)
  return (event) =>
    (ids === undefined || ids.has(event.containerId)) && (types === undefined || types.has(event.type))
}

function setOf(field: string, list: readonly string[] | undefined): ReadonlySet<string> | undefined {
  if (list === undefined) return undefined
  // A lone string is iterable too, and would silently match nothing.
  if (Array.isArray(list)) return new Set<string>(list)
  throw new OciError('ERR_INVALID_ARGUMENT', `${field} must be an array of strings`, { field })
}
