/**
 * The port behind `runtime.containers`: which containers there are. Deliberately not here: their state, their actors
 * and anything on disk. Deleting an entry never touches a container.
 */
import type { Container } from '../container.ts'
import type { History } from './history.ts'

/** Parity: StoreFilter. */
export type StoreFilter = (container: Container) => boolean

/** Parity: StoreReducer, which could not wait. */
export type StoreReducer = (container: Container) => void | Promise<void>

/** Parity: ContainerStorer. An embedder may bring its own. */
export interface ContainerStore {
  /** Stores a container under `id`, in place of the one that was there. */
  add(id: string, container: Container): void
  get(id: string): Container | undefined
  delete(id: string): void
  /** A sorted copy, newest first. */
  list(): History
  readonly size: number
  /** The newest container that the filter accepts. */
  first(filter: StoreFilter): Container | undefined
  /**
   * Calls the reducer with every container at once, over a copy: it may add and delete. Resolves when all are done;
   * rejects then with one AggregateError of everything they threw, newest container first.
   */
  applyAll(reducer: StoreReducer): Promise<void>
}
