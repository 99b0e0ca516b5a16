/** The supervisor's facts in the words of the page. */
import { containerPhases, type ContainerPhase, type ExitStatus } from '../container.ts'
import { statusOf, waitingForOf } from '../machines/phase.ts'
import { signalName } from '../signals.ts'
import type { ExitWords, PhaseWords } from './protocol.ts'

export function phaseWords(name: ContainerPhase): PhaseWords {
  return { name, status: statusOf(name), waitingFor: waitingForOf(name) }
}

export const allPhaseWords: readonly PhaseWords[] = containerPhases.map(phaseWords)

export function exitWords(exit: ExitStatus): ExitWords {
  const { oomKilled } = exit
  if (exit.kind === 'unknown') return { code: undefined, signal: undefined, unknown: exit.why, oomKilled }
  const { code, inferredSignal } = exit
  const signal = inferredSignal === undefined ? undefined : signalName(inferredSignal)
  return { code, signal, unknown: undefined, oomKilled }
}
