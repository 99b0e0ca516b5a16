/**
 * The second half of a recovery: everything is adopted, and now it is told what has happened meanwhile. Each container has
 * until the deadline; what takes longer goes on by itself, and the report says so.
 */
import { timestampOf } from '../../surroundings/clock.ts'
import { withLimit } from '../../surroundings/abort.ts'
import { OciError, toOciError } from '../../errors/index.ts'
import type { RuntimeImpl } from '../../impl/runtime-impl.ts'
import type { StateRecord } from '../../store/state-record.ts'
import type { ContainerActor } from '../container.actor.ts'
import { createLanes, type Lanes } from '../lanes.ts'
import { askRuntime } from './ask.ts'
import type { RecoveryReport } from './report.ts'
import type { Findings, RecoveryScope, Taken } from './scope.ts'

/** Runtimes spawned at once to be asked. One that hangs keeps its lane until its time is up. */
const asksAtOnceMax = 16

type Outcome = Pick<RecoveryReport, 'adopted' | 'exited' | 'removed'>

export async function settle(
  scope: RecoveryScope,
  taken: readonly Taken[],
  findings: Findings,
): Promise<Outcome> {
  const seen = await lookForExits(scope, taken)
  const lanes = createLanes(asksAtOnceMax)
  /** What keeps each from being as it should be; undefined: that it has not come to rest yet. */
  const open = new Map<ContainerActor, OciError | undefined>(taken.map(({ actor }) => [actor, undefined]))
  const works = taken.map(async (one) => {
    try {
      await bringUpToDate(scope, one, seen, lanes)
      open.delete(one.actor)
    } catch (error) {
      open.set(one.actor, toOciError(error, 'ERR_INTERNAL', { containerId: one.actor.container.id }))
    }
  })
  await finished(scope, Promise.all(works))
  await tidy(scope, taken)
  return outcomeOf(taken, open, findings)
}

/** Which implementations have said all the exits they know of. A look that fails is no absence of exits. */
async function lookForExits(
  scope: RecoveryScope,
  taken: readonly Taken[],
): Promise<ReadonlySet<RuntimeImpl>> {
  const seen = new Set<RuntimeImpl>()
  const looks = [...implementationsOf(taken)].map(async (impl) => {
    try {
      if (await finished(scope, impl.exits.scan())) seen.add(impl)
    } catch (error) {
      scope.logger.error({ err: error }, 'exits cannot be looked for; they are applied when they are found')
    }
  })
  await Promise.all(looks)
  return seen
}

async function bringUpToDate(
  scope: RecoveryScope,
  { actor, verdict }: Taken,
  seen: ReadonlySet<RuntimeImpl>,
  lanes: Lanes,
): Promise<void> {
  const { clock } = scope
  if (verdict.kind === 'remove') {
    const now = { atMs: clock.now(), requestedAt: timestampOf(clock) }
    await actor.request('delete', { type: 'container.delete', force: true, ...now })
    return
  }
  if (!seen.has(actor.impl) && verdict.facts.length > 0) throw exitsUnseen(actor)
  for (const fact of verdict.facts) actor.fact(fact)
  let silence: OciError | undefined
  if (verdict.asksRuntime && actor.isLive) {
    silence = await lanes
      .run(() => askRuntime(actor))
      .then(
        () => undefined,
        (error: unknown) => toOciError(error, 'ERR_RUNTIME_FAILED', { containerId: actor.container.id }),
      )
  }
  if (verdict.stop !== undefined && actor.isLive) resumeStop(scope, actor, verdict.stop)
  await actor.settled()
  if (silence !== undefined) throw silence
}

/** With what is left of its time, by the wall clock: no other clock goes on over a restart. */
function resumeStop(
  { clock, logger }: RecoveryScope,
  actor: ContainerActor,
  { timeoutMs, requestedAt }: NonNullable<StateRecord['own']['stop']>,
): void {
  const now = timestampOf(clock)
  // A wall clock that was set back must not lengthen the stop, nor one set forward make it negative.
  const elapsedMs = Math.max(0, Date.parse(now) - Date.parse(requestedAt))
  const command = { type: 'container.stop', timeoutMs, elapsedMs, atMs: clock.now(), requestedAt } as const
  actor.request('stop', command).catch((error: unknown) => {
    logger.warn({ containerId: actor.container.id, err: error }, 'a stop that was resumed has failed')
  })
}

async function tidy({ logger, implementations }: RecoveryScope, taken: readonly Taken[]): Promise<void> {
  const silent = taken.filter(({ actor }) => !actor.isLive).map(({ actor }) => actor.container.id)
  for (const impl of implementations) {
    try {
      await impl.tidy?.(new Set(silent))
    } catch (error) {
      logger.warn({ err: error }, 'what an earlier supervisor left behind could not be removed')
    }
  }
}

function outcomeOf(
  taken: readonly Taken[],
  open: ReadonlyMap<ContainerActor, OciError | undefined>,
  findings: Findings,
): Outcome {
  const outcome = { adopted: [], exited: [], removed: [] } as {
    -readonly [list in keyof Outcome]: Outcome[list][number][]
  }
  for (const { actor, verdict } of taken) {
    const { id, phase, state } = actor.container
    if (verdict.kind === 'remove' && phase === 'deleted') outcome.removed.push({ id, why: verdict.why })
    else if (open.has(actor)) {
      const { code, message: why } = open.get(actor) ?? stillUnderWay(actor)
      findings.unresolved.push({ id, code, why })
    } else if (verdict.adopt.exit === undefined && phase === 'stopped' && state.exit !== undefined) {
      outcome.exited.push({ id, exit: state.exit })
    } else outcome.adopted.push({ id, phase })
  }
  return outcome
}

/** Those that have containers among these. */
function implementationsOf(taken: readonly Taken[]): ReadonlySet<RuntimeImpl> {
  return new Set(taken.map(({ actor }) => actor.impl))
}

/** True when it has ended within the time of a recovery. Rejects as it does. */
async function finished({ clock, limitMs }: RecoveryScope, work: Promise<unknown>): Promise<boolean> {
  const late = new OciError('ERR_TIMEOUT', `recovery has taken more than ${limitMs} ms`)
  try {
    await withLimit({ clock, limitMs, timedOut: () => late }, () => work)
    return true
  } catch (error) {
    if (error === late) return false
    throw error
  }
}

function stillUnderWay({ container: { id }, phase }: ContainerActor): OciError {
  const message = `container ${id} is ${phase} and has not come to rest in time; that goes on`
  return new OciError('ERR_TIMEOUT', message, { containerId: id })
}

function exitsUnseen({ container: { id } }: ContainerActor): OciError {
  const message = `the exits cannot be looked for, so what became of container ${id} is not known yet`
  return new OciError('ERR_IO', message, { containerId: id })
}
