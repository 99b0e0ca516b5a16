/** A container as a row of the overview. */
import { containerPhases, type Container, type ContainerPhase } from '../container.ts'
import type { ContainerContext } from '../machines/context.ts'
import { exitWords, phaseWords } from './words.ts'
import { rowFlags, type RowFacts, type RowState } from './protocol.ts'
import { listedLabels, type Reveal } from './redaction.ts'
import type { WatchedActor } from './watched.ts'

const phaseIndex: ReadonlyMap<ContainerPhase, number> = new Map(
  containerPhases.map((phase, index) => [phase, index]),
)

/** KILL has had no effect for so long that somebody should look. */
const stuckAfterMs = 10_000

export function rowFacts(
  index: number,
  container: Container,
  defaultHandler: string,
  reveal: Reveal,
): RowFacts {
  const { id, name, runtimeHandler, sandbox, image, imageName } = container
  return {
    index,
    id,
    name,
    handler: runtimeHandler ?? defaultHandler,
    sandbox,
    image: imageName || image,
    labels: listedLabels(container, reveal),
  }
}

export function rowState(
  index: number,
  { container, snapshot, sinceMs }: WatchedActor,
  nowMs: number,
): RowState {
  const { phase } = container
  const isStuck = phase === 'stopping.killing' && nowMs - sinceMs > stuckAfterMs
  return [
    index,
    phaseIndex.get(phase) ?? 0,
    Math.round(sinceMs),
    flagsOf(snapshot.context, isStuck),
    noteOf(container, snapshot.context),
  ]
}

function flagsOf(context: ContainerContext, isStuck: boolean): number {
  const { exit, monitorLostAt, durable, error } = context
  return (
    (exit?.oomKilled === true ? rowFlags.oomKilled : 0) |
    (monitorLostAt === undefined ? 0 : rowFlags.monitorLost) |
    (durable ? 0 : rowFlags.notDurable) |
    (error === undefined ? 0 : rowFlags.failed) |
    (isStuck ? rowFlags.stuck : 0)
  )
}

/** Why it waits where that is more than its phase says; how it ended. */
function noteOf({ phase, waitingFor = '' }: Container, { exit, error }: ContainerContext): string {
  if (waitingFor !== (phaseWords(phase).waitingFor ?? '')) return waitingFor
  const ended = exit === undefined ? '' : exitText(exit)
  return error === undefined || ended !== '' ? ended : error.code
}

function exitText(exit: NonNullable<ContainerContext['exit']>): string {
  const { code, signal, unknown } = exitWords(exit)
  if (code === undefined) return `exit unknown: ${unknown ?? ''}`
  return signal === undefined ? `exit ${code}` : `exit ${code}, ${signal}`
}
