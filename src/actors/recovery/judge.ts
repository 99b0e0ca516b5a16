/**
 * What a restart makes of one container: what stands on disk, weighed against what is seen of its processes. A pure
 * function; looking (`sight.ts`) and acting (`recover.ts`) are elsewhere.
 *
 * Invariant: only what is seen to be gone is gone. What could not be looked at is believed to be as it was.
 */
import type { Timestamp } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import type { Adoption } from '../../machines/context.ts'
import type { ContainerFact } from '../../machines/events.ts'
import { emptyOwnRecord, type StateRecord } from '../../store/state-record.ts'

export type Seen = 'alive' | 'gone' | 'unknown'

/** What is seen of a container's processes. */
export interface Sight {
  /** The record names this very process as the container's, which it cannot be. */
  readonly isThisProcess: boolean
  /** False when the host was started anew since the record was written: its pids are other processes' now. */
  readonly isSameBoot: boolean
  readonly init: Seen
  /** `unknown` where there is none. */
  readonly monitor: Seen
  /** Of a living init; undefined where that cannot be seen. */
  readonly isFrozen: boolean | undefined
  readonly at: Timestamp
}

export type Verdict =
  | {
      readonly kind: 'adopt'
      readonly adopt: Adoption
      /** What has changed meanwhile: told once exits have been looked for, since an exit says more. */
      readonly facts: readonly ContainerFact[]
      /** Only the runtime knows whether it was started. */
      readonly asksRuntime: boolean
      /** That was under way. */
      readonly stop: StateRecord['own']['stop']
    }
  /** Cleaned up and deleted: nobody was ever told that it exists, or it can be of no use any more. */
  | { readonly kind: 'remove'; readonly adopt: Adoption; readonly why: string }
  /** It cannot be trusted. */
  | { readonly kind: 'quarantine'; readonly why: string }

export function judge(record: StateRecord, sight: Sight): Verdict {
  if (record.own === emptyOwnRecord) return { kind: 'quarantine', why: 'was written by another program' }
  if (sight.isThisProcess)
    return { kind: 'quarantine', why: 'names this supervisor as the container’s process' }
  const { created, exit, status } = record.state
  if (created === undefined) return removed(record, sight, 'uncertain', whyNeverCreated(record))
  if (status === undefined) return judgeCleaning(record, sight)
  if (status === 'stopped' && exit !== undefined) return unchanged(record, 'stopped')
  if (!sight.isSameBoot) return judgeAfterReboot(record, sight)
  return sight.init === 'gone' ? judgeEnded(record, sight) : judgeLiving(record, sight)
}

/** A clean-up was under way: of a failed start, whose container stays to say so, or of one that lost its monitor. */
function judgeCleaning(record: StateRecord, sight: Sight): Verdict {
  if (record.state.started !== undefined) return unchanged(record, 'uncertain')
  return removed(record, sight, 'uncertain', 'it lost its monitor before it was started')
}

function judgeAfterReboot(record: StateRecord, { at }: Sight): Verdict {
  const monitorLostAt = record.own.monitorLost ?? at
  const adopt = { ...adoptionOf(record), monitorLostAt, rebooted: true }
  if (record.state.status === 'created') {
    const why = 'it was created and not started when the host was started anew'
    return { kind: 'remove', adopt: { ...adopt, phase: 'created' }, why }
  }
  return changed({ ...adopt, phase: restingPhase(record) }, [{ type: 'process.gone', at }])
}

function judgeEnded(record: StateRecord, { at, monitor }: Sight): Verdict {
  const gone: ContainerFact = { type: 'process.gone', at }
  // In this order: a monitor ends after every exit, which is no news. Only there is no report to wait for.
  const facts = monitor === 'gone' ? [gone, { type: 'monitor.lost', at } as const] : [gone]
  return changed({ ...adoptionOf(record), phase: restingPhase(record) }, facts)
}

function judgeLiving(record: StateRecord, sight: Sight): Verdict {
  const { at, isFrozen, monitor } = sight
  const { status } = record.state
  if (status === 'created' && monitor === 'gone') {
    const why = 'it was created, and its monitor has died'
    return { kind: 'remove', adopt: { ...adoptionOf(record), phase: 'created', monitorLostAt: at }, why }
  }
  const phase = status === 'paused' ? 'paused' : restingPhase(record)
  const facts: ContainerFact[] = []
  if (monitor === 'gone' && record.own.monitorLost === undefined) facts.push({ type: 'monitor.lost', at })
  if (phase === 'paused' && isFrozen === false) facts.push(observed('running', at))
  if (phase === 'running' && isFrozen === true) facts.push(observed('paused', at))
  return {
    ...changed({ ...adoptionOf(record), phase }, facts),
    asksRuntime: phase === 'created',
    stop: record.own.stop,
  }
}

function removed(record: StateRecord, { at }: Sight, phase: Adoption['phase'], why: string): Verdict {
  const monitorLostAt = record.state.created === undefined ? undefined : (record.own.monitorLost ?? at)
  return { kind: 'remove', adopt: { ...adoptionOf(record), phase, monitorLostAt }, why }
}

function unchanged(record: StateRecord, phase: Adoption['phase']): Verdict & { kind: 'adopt' } {
  return changed({ ...adoptionOf(record), phase }, [])
}

function changed(adopt: Adoption, facts: readonly ContainerFact[]): Verdict & { kind: 'adopt' } {
  return { kind: 'adopt', adopt, facts, asksRuntime: false, stop: undefined }
}

function restingPhase({ state }: StateRecord): 'created' | 'running' {
  return state.started === undefined ? 'created' : 'running'
}

function whyNeverCreated({ state: { error } }: StateRecord): string {
  return error === undefined ? 'its creation was not finished' : `its creation had failed: ${error}`
}

function observed(status: 'running' | 'paused', at: Timestamp): ContainerFact {
  return { type: 'container.observed', status, at }
}

function adoptionOf({ state, own }: StateRecord): Omit<Adoption, 'phase'> {
  const { id: containerId, error } = state
  return {
    init: own.init,
    monitor: own.monitor,
    monitorLostAt: own.monitorLost,
    created: state.created,
    started: state.started,
    exit: state.exit,
    error:
      error === undefined
        ? undefined
        : new OciError(own.errorCode ?? 'ERR_RUNTIME_FAILED', error, { containerId }),
  }
}
