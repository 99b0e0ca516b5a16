/**
 * A container's machine that outlives its own death: when it dies of a defect, a successor takes over from what is known
 * (`rebuild.ts`). A machine that dies again and again is left dead, and says so to whoever asks.
 */
import type { Clock } from '../surroundings/clock.ts'
import type { OciError } from '../errors/index.ts'
import type { ContainerMachine } from '../machines/container.machine.ts'
import type { Adoption } from '../machines/context.ts'
import type { ContainerLimits } from '../machines/delays.ts'
import type { ContainerCommand, ContainerFact, ContainerMachineEmitted } from '../machines/events.ts'
import type { Succession } from './rebuild.ts'
import {
  createMachineActor,
  observeMachine,
  type MachineActor,
  type MachineObservation,
  type MachineObserver,
  type MachineSnapshot,
} from './start-actor.ts'

/** Successors of one container's machine. */
const rebuildsMax = 3
/** Facts kept for a successor: each kind of fact says all it can say by then. */
const keptFactsMax = 16

export interface LivingMachineOptions {
  readonly machine: ContainerMachine
  readonly id: string
  readonly limits: ContainerLimits
  readonly clock: Clock
  /** What a machine emitted in one step, once its new state is visible. */
  readonly stepped: (snapshot: MachineSnapshot, emitted: readonly ContainerMachineEmitted[]) => void
  /** The error that it died of, as its callers are told. */
  readonly asInternal: (error: unknown) => OciError
  /** It is dead; `isFinal` when there will be no successor. Nothing it began may go on. */
  readonly died: (error: OciError, isFinal: boolean) => void
  readonly succession: (last: MachineSnapshot, error: OciError) => Promise<Succession>
  /** A successor runs. */
  readonly succeeded: (succession: Succession) => void
}

export class LivingMachine {
  readonly #options: LivingMachineOptions
  #actor: MachineActor | undefined
  /** The last state in which it was sound. */
  #sound: MachineSnapshot | undefined
  #emitted: ContainerMachineEmitted[] = []
  #deaths = 0
  #rebuilding: Promise<void> | undefined
  #kept: ContainerFact[] = []
  #stopped = false
  #observer: MachineObserver | undefined
  #observation: MachineObservation | undefined

  constructor(options: LivingMachineOptions) {
    this.#options = options
  }

  start(adopt: Adoption | undefined): void {
    const { machine, id, limits, clock } = this.#options
    const actor = createMachineActor(
      machine,
      { id, limits, adopt },
      {
        clock,
        emitted: (event) => {
          if (actor === this.#actor) this.#emitted.push(event)
        },
        stepped: (snapshot) => {
          if (actor === this.#actor) this.#step(snapshot)
        },
        died: (error) => {
          if (actor === this.#actor) this.#died(error)
        },
      },
    )
    this.#actor = actor
    this.observe(this.#observer)
    actor.start()
  }

  /** Has this machine and its successors observed, or no longer. Nothing is attached until then. */
  observe(observer: MachineObserver | undefined): void {
    this.#observation?.unsubscribe()
    this.#observer = observer
    this.#observation = observer && this.#actor && observeMachine(this.#actor, observer)
  }

  /** The state as of now, in the middle of a step the one that it leads to. */
  get snapshot(): MachineSnapshot {
    const now = this.#actor?.getSnapshot()
    if (now !== undefined && now.status !== 'error') this.#sound = now
    if (this.#sound === undefined) throw this.#options.asInternal('a machine was asked before it began')
    return this.#sound
  }

  get isRebuilding(): boolean {
    return this.#rebuilding !== undefined
  }

  /** Resolves when there is a machine to talk to, or never will be again. */
  async ready(): Promise<void> {
    while (this.#rebuilding !== undefined) await this.#rebuilding
  }

  /** False when there is nobody to tell. Facts wait for a successor, commands do not. */
  send(event: ContainerCommand | ContainerFact): boolean {
    if (this.#rebuilding !== undefined && !('requestId' in event)) {
      if (this.#kept.length < keptFactsMax) this.#kept.push(event)
      return true
    }
    if (this.#actor?.getSnapshot().status !== 'active') return false
    this.#actor.send(event)
    return true
  }

  stop(): void {
    this.#stopped = true
    this.#actor?.stop()
  }

  #step(snapshot: MachineSnapshot): void {
    this.#sound = snapshot
    const emitted = this.#emitted
    this.#emitted = []
    try {
      this.#options.stepped(snapshot, emitted)
    } catch (error) {
      // Thrown on, it would be XState's to report, which it does by ending the embedder's process.
      this.#actor?.stop()
      this.#died(error)
    }
  }

  #died(reason: unknown): void {
    this.#actor = undefined
    this.#emitted = []
    this.#deaths += 1
    const error = this.#options.asInternal(reason)
    const isFinal = this.#deaths > rebuildsMax || this.#stopped || this.#sound === undefined
    if (!isFinal) this.#rebuilding = this.#rebuild(error)
    this.#options.died(error, isFinal)
  }

  async #rebuild(cause: OciError): Promise<void> {
    const { succession, died, succeeded, asInternal } = this.#options
    try {
      // Not on the stack of the machine that is dying.
      await Promise.resolve()
      const inherited = await succession(this.snapshot, cause)
      this.#rebuilding = undefined
      if (this.#stopped) return
      this.start(inherited.adopt)
      // It may have died of the same defect, and have a successor itself.
      if (this.#actor === undefined) return
      succeeded(inherited)
      for (const fact of [...inherited.facts, ...this.#kept.splice(0)]) this.send(fact)
    } catch (defect) {
      this.#rebuilding = undefined
      died(asInternal(defect), true)
    }
  }
}
