/**
 * One implementation's part of an exit stream: several have their exit files in one directory, and each of them tells of
 * its own containers only.
 */
import { filter } from 'rxjs'
import type { ExitSource } from '../impl/runtime-impl.ts'

export function shareOfExits(source: ExitSource): ExitSource {
  const own = new Set<string>()
  return {
    exits$: source.exits$.pipe(filter(({ id }) => own.has(id))),
    expect: (id) => {
      source.expect(id)
      own.add(id)
    },
    discard: async (id) => {
      own.delete(id)
      await source.discard(id)
    },
    scan: () => source.scan(),
    urgent: (id, waiting) => source.urgent(id, waiting),
  }
}
