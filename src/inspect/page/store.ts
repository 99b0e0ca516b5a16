/** Models that change more often than they are to be drawn. */
import { useEffect, useState } from 'preact/hooks'

/** Something that tells when it has changed: at most once per frame of the display. */
export class Store {
  readonly #listeners = new Set<() => void>()
  #isScheduled = false

  changed(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    requestAnimationFrame(() => {
      this.#isScheduled = false
      for (const listener of this.#listeners) listener()
    })
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }
}

/** Draws the component again when the store has changed. */
export function useStore(store: Store): void {
  const [, draw] = useState(0)
  useEffect(() => store.subscribe(() => draw((count) => count + 1)), [store])
}
