/** The faults that a test has asked for, taken one by one as effects are called. */
import type { Container } from '../../container.ts'
import { OciError, type ErrorCode } from '../../errors/index.ts'
import { ExecSyncError } from '../exec-port.ts'
import { checkFields } from './known-fields.ts'
import { checkTime } from './simulated-program.ts'

/** The effects of a container's life, and the removal of its exit's evidence (`discard`). */
export const lifecycleEffects = [
  'create',
  'start',
  'signal',
  'pause',
  'resume',
  'observe',
  'oomKilled',
  'killRemaining',
  'cleanUp',
  'delete',
  'discard',
] as const

/**
 * What can be made to go wrong: the effects of the port, and the calls of a running command (`killExec`, `resizeExec`).
 */
export const simulatedEffects = [
  ...lifecycleEffects,
  'execSync',
  'startExec',
  'killExec',
  'resizeExec',
  'attach',
  'portForward',
  'reopenLog',
  'update',
  'stats',
] as const
export type SimulatedEffect = (typeof simulatedEffects)[number]

/** Containers by id, or by a test of one's own. */
export type ContainerSelector = string | ((container: Container) => boolean)

/**
 * How an effect goes wrong.
 *
 * - `fail`: rejects with `error`, at once or after `delayMs`; the world is unchanged.
 * - `failAfterEffect`: takes effect and rejects all the same, as when a runtime is killed while it reports success.
 * - `hang`: never answers; rejects only when it is aborted. The world is unchanged.
 * - `late`: takes effect after `delayMs` even if nobody waits any more; without `delayMs` in the moment it is aborted.
 *
 * @example
 * sim.inject('web', { effect: 'start', fault: 'hang' })
 * sim.inject(() => true, { effect: 'delete', fault: 'fail', times: 2 })
 */
export type SimulatedFault = {
  readonly effect: SimulatedEffect
  /** How many calls are hit; default 1, `Infinity` for all. */
  readonly times?: number
} & (
  | { readonly fault: 'fail'; readonly error?: OciError; readonly delayMs?: number }
  | { readonly fault: 'failAfterEffect'; readonly error?: OciError }
  | { readonly fault: 'hang' }
  | { readonly fault: 'late'; readonly delayMs?: number }
)

const faultKinds: readonly string[] = ['fail', 'failAfterEffect', 'hang', 'late']

/** Of any kind of fault. */
const faultFields = {
  effect: true,
  fault: true,
  times: true,
  error: true,
  delayMs: true,
} as const satisfies Record<
  keyof (SimulatedFault & { readonly error?: unknown; readonly delayMs?: unknown }),
  true
>

interface ScriptedFault {
  readonly selector: ContainerSelector
  readonly fault: SimulatedFault
  times: number
}

export class FaultScript {
  #faults: ScriptedFault[] = []

  inject(selector: ContainerSelector, fault: SimulatedFault): void {
    checkFields('a fault', fault, faultFields)
    const { times = 1 } = fault
    if (!simulatedEffects.includes(fault.effect)) {
      throw invalid('effect', `must be one of ${simulatedEffects.join(', ')}`)
    }
    if (!(times === Number.POSITIVE_INFINITY || (Number.isInteger(times) && times > 0))) {
      throw invalid('times', 'must be a whole number above 0, or Infinity')
    }
    if (!faultKinds.includes(fault.fault)) throw invalid('fault', `must be one of ${faultKinds.join(', ')}`)
    if (fault.fault === 'fail' || fault.fault === 'late') checkTime('delayMs', fault.delayMs)
    this.#faults.push({ selector, fault, times })
  }

  clear(): void {
    this.#faults = []
  }

  /** The oldest fault that is for this call; it is used up by one. */
  take(effect: SimulatedEffect, id: string, container: Container | undefined): SimulatedFault | undefined {
    const scripted = this.#faults.find(
      ({ fault, selector }) => fault.effect === effect && selects(selector, id, container),
    )
    if (scripted === undefined) return undefined
    scripted.times -= 1
    if (scripted.times === 0) this.#faults = this.#faults.filter((other) => other !== scripted)
    return scripted.fault
  }
}

export function selects(selector: ContainerSelector, id: string, container: Container | undefined): boolean {
  if (typeof selector === 'string') return selector === id
  return container !== undefined && selector(container)
}

/** The error of an injected failure: the test's own, or what the real runtimes' failures of this effect come to. */
export function injectedError(
  error: OciError | undefined,
  effect: SimulatedEffect,
  containerId: string,
): OciError {
  if (error !== undefined) return error
  const message = `injected failure of ${effect} of container ${containerId}`
  if (effect !== 'execSync') return new OciError(codeOf[effect], message, { containerId })
  return new ExecSyncError(codeOf[effect], message, {
    containerId,
    operation: 'execSyncContainer',
    ...nothingSaid(),
  })
}

const codeOf: Readonly<Record<SimulatedEffect, ErrorCode>> = {
  create: 'ERR_CREATE_FAILED',
  start: 'ERR_RUNTIME_FAILED',
  signal: 'ERR_RUNTIME_FAILED',
  pause: 'ERR_RUNTIME_FAILED',
  resume: 'ERR_RUNTIME_FAILED',
  observe: 'ERR_RUNTIME_FAILED',
  oomKilled: 'ERR_IO',
  killRemaining: 'ERR_IO',
  cleanUp: 'ERR_RUNTIME_FAILED',
  delete: 'ERR_RUNTIME_FAILED',
  discard: 'ERR_IO',
  execSync: 'ERR_RUNTIME_FAILED',
  startExec: 'ERR_RUNTIME_FAILED',
  killExec: 'ERR_IO',
  resizeExec: 'ERR_RUNTIME_FAILED',
  attach: 'ERR_RUNTIME_FAILED',
  portForward: 'ERR_RUNTIME_FAILED',
  reopenLog: 'ERR_TIMEOUT',
  update: 'ERR_RUNTIME_FAILED',
  stats: 'ERR_IO',
}

function nothingSaid(): Record<'stdout' | 'stderr', Buffer> {
  return { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
}

function invalid(field: string, rule: string): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', `${field} of a fault ${rule}`, { field, operation: 'inject' })
}
