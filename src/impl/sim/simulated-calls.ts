/**
 * Runs effects as the port wants them: answered promptly when they are aborted or the runtime is closed, with the faults
 * that the test has asked for in between.
 */
import type { Container } from '../../container.ts'
import { OciError, type ErrorCode } from '../../errors/index.ts'
import type { Logger } from '../../surroundings/logger.ts'
import type { Clock } from '../../surroundings/clock.ts'
import { FaultScript, injectedError, type SimulatedEffect, type SimulatedFault } from './fault-script.ts'

/** One call of an effect. */
export interface SimulatedCall {
  readonly effect: SimulatedEffect
  readonly id: string
  /** On the simulation's clock. */
  readonly atMs: number
}

export interface CallOptions {
  readonly effect: SimulatedEffect
  readonly id: string
  readonly container: Container | undefined
  /** The caller's. */
  readonly signal: AbortSignal | undefined
  /** The runtime's. */
  readonly closing: AbortSignal
}

/** The calls that are kept for tests to look at; the oldest go first. */
const callsMax = 10_000

export class SimulatedCalls {
  readonly faults = new FaultScript()
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #calls: SimulatedCall[] = []
  /** Effects that are still to come, by container. */
  readonly #late = new Map<string, Set<() => void>>()

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  get list(): readonly SimulatedCall[] {
    return [...this.#calls]
  }

  async run<T>(options: CallOptions, act: () => T | Promise<T>): Promise<T> {
    const { effect, id, container, signal, closing } = options
    if (closing.aborted || signal?.aborted === true) throw notAwaited(options)
    const fault = this.faults.take(effect, id, container)
    this.#note(options, fault)
    if (fault === undefined) return act()
    if (fault.fault !== 'failAfterEffect') return this.#delayed(options, fault, act)
    await act()
    throw injectedError(fault.error, effect, id)
  }

  /** Effects that are still to come for this container never will: who waits for them is told. */
  cancelLate(id: string): void {
    for (const cancel of this.#late.get(id) ?? []) cancel()
  }

  #delayed<T>(
    options: CallOptions,
    fault: Extract<SimulatedFault, { fault: 'fail' | 'hang' | 'late' }>,
    act: () => T | Promise<T>,
  ): Promise<T> {
    const { effect, id, signal, closing } = options
    return new Promise<T>((resolve, reject) => {
      let timer: unknown
      const over = (): void => {
        this.#clock.clearTimeout(timer)
        closing.removeEventListener('abort', abort)
        signal?.removeEventListener('abort', abort)
        this.#forget(id, cancel)
      }
      const cancel = (): void => {
        over()
        reject(failure(options, 'ERR_CANCELLED', 'was given up by its clean-up'))
      }
      // A promise is settled once: where the caller was told of an abort, what comes later goes unheard.
      const takeEffect = (): void => {
        over()
        try {
          resolve(act())
        } catch (error) {
          reject(error)
        }
      }
      const abort = (): void => {
        reject(notAwaited(options))
        if (fault.fault !== 'late') over()
        else if (fault.delayMs === undefined) takeEffect()
      }
      closing.addEventListener('abort', abort)
      signal?.addEventListener('abort', abort)
      if (fault.fault === 'late') {
        this.#remember(id, cancel)
        if (fault.delayMs !== undefined) timer = this.#clock.setTimeout(takeEffect, fault.delayMs)
      } else if (fault.fault === 'fail') {
        const fail = (): void => {
          over()
          reject(injectedError(fault.error, effect, id))
        }
        if (fault.delayMs === undefined) fail()
        else timer = this.#clock.setTimeout(fail, fault.delayMs)
      }
    })
  }

  #note({ effect, id }: CallOptions, fault: SimulatedFault | undefined): void {
    this.#calls.push({ effect, id, atMs: this.#clock.now() })
    if (this.#calls.length > callsMax) this.#calls.shift()
    this.#logger.debug({ containerId: id, effect, fault: fault?.fault }, 'simulated effect')
  }

  #remember(id: string, cancel: () => void): void {
    const cancels = this.#late.get(id) ?? new Set()
    this.#late.set(id, cancels.add(cancel))
  }

  #forget(id: string, cancel: () => void): void {
    const cancels = this.#late.get(id)
    if (cancels?.delete(cancel) === true && cancels.size === 0) this.#late.delete(id)
  }
}

function notAwaited(options: CallOptions): OciError {
  if (options.closing.aborted)
    return failure(options, 'ERR_CLOSED', 'needs an open runtime; reopen the simulated one')
  return failure(options, 'ERR_ABORTED', 'is not waited for any more')
}

function failure({ effect, id }: CallOptions, code: ErrorCode, problem: string): OciError {
  return new OciError(code, `${effect} of container ${id} ${problem}`, { containerId: id })
}
