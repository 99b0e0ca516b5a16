/**
 * Exits of the simulated world for one supervisor: what the exit directory is to conmon's containers. Facts are not
 * buffered; the evidence stays in the world until it is discarded, and another supervisor hears of it again.
 */
import { Observable, Subject } from 'rxjs'
import { validId } from '../../container-fields.ts'
import { OciError } from '../../errors/index.ts'
import type { ExitFact, ExitSource } from '../runtime-impl.ts'
import type { SimulatedWorld } from './simulated-world.ts'

export class SimulatedExits implements ExitSource {
  readonly exits$: Observable<ExitFact>
  readonly #world: SimulatedWorld
  readonly #discarding: (id: string) => Promise<void>
  readonly #facts = new Subject<ExitFact>()
  /** Expected and not yet reported; then reported and not yet discarded. */
  readonly #expected = new Set<string>()
  readonly #reported = new Set<string>()
  readonly #stopListening: () => void
  #closed = false

  constructor(world: SimulatedWorld, discarding: (id: string) => Promise<void>) {
    this.#world = world
    this.#discarding = discarding
    this.exits$ = new Observable((subscriber) => {
      const subscription = this.#facts.subscribe(subscriber)
      this.#lookLater([...this.#expected])
      return subscription
    })
    this.#stopListening = world.onExit((id) => {
      this.#lookLater([id])
    })
  }

  expect(id: string): void {
    validId(id)
    this.#assertOpen()
    if (this.#reported.has(id)) return
    this.#expected.add(id)
    this.#lookLater([id])
  }

  /** Exits are reported at once here, waited for or not. */
  urgent(id: string, _waiting: boolean): void {
    validId(id)
  }

  async discard(id: string): Promise<void> {
    validId(id)
    this.#assertOpen()
    this.#expected.delete(id)
    this.#reported.delete(id)
    await this.#discarding(id)
  }

  async scan(): Promise<void> {
    this.#assertOpen()
    for (const id of this.#expected) this.#look(id)
    await Promise.resolve()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#stopListening()
    this.#facts.complete()
  }

  /** Never inside a call of the supervisor's, as files never are. */
  #lookLater(ids: readonly string[]): void {
    queueMicrotask(() => {
      for (const id of ids) this.#look(id)
    })
  }

  #look(id: string): void {
    const exit = this.#world.exitOf(id)
    if (exit === undefined || this.#closed || !this.#facts.observed || !this.#expected.delete(id)) return
    this.#reported.add(id)
    this.#facts.next(exit)
  }

  #assertOpen(): void {
    if (!this.#closed) return
    throw new OciError('ERR_CLOSED', 'the simulated runtime is closed; reopen it')
  }
}
