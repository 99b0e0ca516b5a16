import { isContainer, type Container } from '../container.ts'
import { OciError } from '../errors/index.ts'
import type { ContainerStore, StoreFilter, StoreReducer } from './container-store.ts'
import { newestFirst } from './history.ts'
import type { History } from './history.ts'

/** A {@link ContainerStore} in memory: the default. Parity: NewMemoryStore. */
export class MemoryStore implements ContainerStore {
  readonly #containers = new Map<string, Container>()
  /** Sorted once per change, not once per question. */
  #sorted: History | undefined

  add(id: string, container: Container): void {
    if (!isContainer(container)) throw invalid('container', 'must be a Container')
    this.#containers.set(id, container)
    this.#sorted = undefined
  }

  get(id: string): Container | undefined {
    return this.#containers.get(id)
  }

  delete(id: string): void {
    this.#containers.delete(id)
    this.#sorted = undefined
  }

  list(): History {
    this.#sorted ??= newestFirst(this.#containers.values())
    return [...this.#sorted]
  }

  get size(): number {
    return this.#containers.size
  }

  first(filter: StoreFilter): Container | undefined {
    if (typeof filter !== 'function') throw invalid('filter', 'must be a function')
    return this.list().find((container) => filter(container))
  }

  async applyAll(reducer: StoreReducer): Promise<void> {
    if (typeof reducer !== 'function') throw invalid('reducer', 'must be a function')
    // The async wrapper turns what a reducer throws synchronously into a rejection, so that the others still run.
    const outcomes = await Promise.allSettled(this.list().map(async (container) => reducer(container)))
    const errors = outcomes.flatMap((outcome): unknown[] =>
      outcome.status === 'rejected' ? [outcome.reason] : [],
    )
    if (errors.length > 0) {
      throw new AggregateError(
        errors,
        `${errors.length} of ${outcomes.length} containers could not be processed`,
      )
    }
  }
}

function invalid(field: string, rule: string): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', `${field} ${rule}`, { field })
}
