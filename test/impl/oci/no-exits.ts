import { EMPTY } from 'rxjs'
import type { ExitSource } from '../../../src/impl/runtime-impl.ts'

/** An exit source that knows of no exits, for tests without a monitor. `discarded` gets the ids. */
export function noExits(discarded: string[] = []): ExitSource {
  return {
    exits$: EMPTY,
    expect: () => undefined,
    discard: (id) => {
      discarded.push(id)
      return Promise.resolve()
    },
    scan: () => Promise.resolve(),
    urgent: () => undefined,
  }
}
