/** Many who watch one machine, which has room for one observer. */
import type { MachineObserver } from '../actors/start-actor.ts'
import type { WatchedActor } from './watched.ts'

export class Observers {
  readonly #byActor = new Map<WatchedActor, Set<MachineObserver>>()

  /** Until the returned function is called. */
  add(actor: WatchedActor, observer: MachineObserver): () => void {
    const known = this.#byActor.get(actor)
    const observers = known ?? new Set<MachineObserver>()
    observers.add(observer)
    if (known === undefined) {
      this.#byActor.set(actor, observers)
      actor.observe((event) => {
        for (const tell of observers) tell(event)
      })
    }
    return () => {
      observers.delete(observer)
      if (observers.size > 0 || this.#byActor.get(actor) !== observers) return
      this.#byActor.delete(actor)
      actor.observe(undefined)
    }
  }

  /** Machines that are observed. */
  get size(): number {
    return this.#byActor.size
  }
}
