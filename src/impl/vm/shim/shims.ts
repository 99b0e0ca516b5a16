/**
 * The shims that this process has a connection to, by socket: containers of one pod share theirs.
 *
 * Invariant: a connection is there for as long as somebody uses it, and a shim is judged dead once for all its users.
 */
import type { Logger } from '../../../surroundings/logger.ts'
import { untilAborted } from '../../host/waiting.ts'
import { connectShim, type ConnectOptions, type Shim, type ShimConnection } from './connection.ts'

interface Entry {
  readonly connecting: Promise<ShimConnection>
  readonly users: Set<string>
}

export class Shims {
  readonly #logger: Logger
  readonly #entries = new Map<string, Entry>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** The living shim at that socket, for a container; rejects like {@link connectShim}. To be left when it is not needed. */
  async join(socketPath: string, options: ConnectOptions): Promise<Shim> {
    const known = this.#entries.get(socketPath)
    const entry = known ?? this.#enter(socketPath, options)
    entry.users.add(options.containerId)
    try {
      const { signal } = options
      const shim = await (signal === undefined ? entry.connecting : untilAborted(entry.connecting, signal))
      if (!shim.isGone) return shim
    } catch (error) {
      if (options.signal?.aborted === true) {
        this.leave(socketPath, options.containerId)
        throw error
      }
      this.#forget(socketPath, entry)
      // It was somebody else's attempt, with his patience.
      if (known === undefined) throw error
      return this.join(socketPath, options)
    }
    this.#forget(socketPath, entry)
    return this.join(socketPath, options)
  }

  /** Other containers of this process that use the shim. */
  othersAt(socketPath: string, containerId: string): number {
    const users = this.#entries.get(socketPath)?.users
    return users === undefined ? 0 : users.size - (users.has(containerId) ? 1 : 0)
  }

  /** The container does not use it any more. */
  leave(socketPath: string, containerId: string): void {
    const entry = this.#entries.get(socketPath)
    if (entry?.users.delete(containerId) !== true || entry.users.size > 0) return
    this.#forget(socketPath, entry)
    void entry.connecting.then(
      (shim) => shim.close(),
      () => undefined,
    )
  }

  /** Leaves all of them; they live on. */
  async close(): Promise<void> {
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    for (const shim of await Promise.allSettled(entries.map(({ connecting }) => connecting)))
      if (shim.status === 'fulfilled') shim.value.close()
  }

  #enter(socketPath: string, options: ConnectOptions): Entry {
    const connecting = connectShim(socketPath, options, this.#logger)
    const entry = { connecting, users: new Set<string>() }
    this.#entries.set(socketPath, entry)
    return entry
  }

  #forget(socketPath: string, entry: Entry): void {
    if (this.#entries.get(socketPath) === entry) this.#entries.delete(socketPath)
  }
}
