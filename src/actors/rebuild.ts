/**
 * Where the successor of a dead machine begins: what its predecessor knew last, and what the world says now.
 *
 * A machine dies of a defect only, ours or an implementation's. Its container must not die with it: the successor can
 * stop and delete it. What was in flight is not resumed; its callers have been told.
 */
import { withLimit } from '../surroundings/abort.ts'
import { timestampOf } from '../surroundings/clock.ts'
import type { Timestamp } from '../container.ts'
import type { OciError } from '../errors/index.ts'
import type { Observation } from '../impl/runtime-impl.ts'
import type { Logger } from '../surroundings/logger.ts'
import type { Adoption, ContainerContext } from '../machines/context.ts'
import type { ContainerFact } from '../machines/events.ts'
import { phaseOf } from '../machines/phase.ts'
import { limitOf, tellsOfStart, type LookScope } from './look.ts'
import type { MachineSnapshot } from './start-actor.ts'

export interface Succession {
  readonly adopt: Adoption
  /** What the predecessor had heard and not dealt with. */
  readonly facts: readonly ContainerFact[]
  /** It was found to be started, and nobody has been told: nothing may exit that has not started. */
  readonly startIsNews: boolean
}

export interface Witness {
  /** What the predecessor died of. */
  readonly error: OciError
  readonly at: Timestamp
  /** Undefined where the world does not answer. */
  observe(): Promise<Observation['status'] | undefined>
}

/** Asks the world, once: what does not answer leaves the successor with what was believed. */
export function witnessOf(scope: LookScope & { readonly logger: Logger }, error: OciError): Witness {
  const { clock, container, impl, init, logger } = scope
  return {
    error,
    at: timestampOf(clock),
    observe: async () => {
      try {
        if (init !== undefined && !scope.ownsProcess()) return 'stopped'
        const observation = await withLimit(limitOf(scope), (signal) => impl.observe(container, { signal }))
        const isBeforeStart = scope.phase === 'created' || scope.phase === 'starting'
        return isBeforeStart && !tellsOfStart(observation) ? undefined : observation.status
      } catch (failure) {
        logger.warn({ containerId: container.id, err: failure }, 'the container cannot be observed')
        return undefined
      }
    },
  }
}

export async function successionOf(last: MachineSnapshot, witness: Witness): Promise<Succession> {
  const { context } = last
  const phase = phaseOf(last.value)
  const begin = (
    adopted: Adoption['phase'],
    facts: readonly ContainerFact[] = [],
    changes: Partial<Adoption> = {},
  ): Succession => {
    const adopt = { ...inherited(context), ...changes, phase: adopted }
    return { adopt, facts, startIsNews: context.started === undefined && adopt.started !== undefined }
  }
  // Something may exist that nobody has a handle on: whatever there is, is removed.
  if (context.created === undefined || phase === 'cleaning') {
    return begin('uncertain', [], { error: context.error ?? witness.error })
  }
  if (phase === 'stopped' || phase === 'deleting') return begin('stopped')
  const resting = context.started === undefined ? 'created' : 'running'
  // Its exit is settled and recorded anew, and told of once.
  if (phase === 'exiting') return begin(resting, endOf(context, witness.at), { exit: undefined })
  const status = (await witness.observe()) ?? believed(context)
  if (status === 'running' || status === 'paused') {
    return begin(status, heard(context), { started: context.started ?? witness.at })
  }
  return begin(resting, status === 'created' ? heard(context) : endOf(context, witness.at))
}

function inherited(context: ContainerContext): Omit<Adoption, 'phase'> {
  const { adopt, init, monitor, monitorLostAt, created, started, exit, error } = context
  return { init, monitor, monitorLostAt, created, started, exit, error, rebooted: adopt?.rebooted }
}

function believed(context: ContainerContext): Observation['status'] {
  if (context.started === undefined) return 'created'
  // It is stopped by a thaw first, which does no harm to what is not frozen.
  return context.maybeFrozen ? 'paused' : 'running'
}

/** The exit that has been reported, which nobody reports again. */
function heard({ reported }: ContainerContext): readonly ContainerFact[] {
  return reported === undefined ? [] : [{ type: 'container.exited', ...reported }]
}

function endOf(context: ContainerContext, at: Timestamp): readonly ContainerFact[] {
  const facts = heard(context)
  return facts.length > 0 ? facts : [{ type: 'process.gone', at: context.goneAt ?? at }]
}
