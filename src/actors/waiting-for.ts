/** What a container waits for, in words; where its process does not die, also what the process does instead. */
import type { ContainerPhase } from '../container.ts'
import { waitingForOf as plainly } from '../machines/phase.ts'

const states: Readonly<Record<string, string>> = {
  D: 'in uninterruptible sleep',
  R: 'running',
  S: 'asleep',
  T: 'stopped by a signal',
  t: 'stopped by a debugger',
  Z: 'a zombie with living threads',
}

/** How long KILL may take before anybody wonders. */
const unremarkableMs = 1000

/** `schedulingState` is asked only where the process should be dead by now. */
export function waitingForOf(
  phase: ContainerPhase,
  inPhaseMs: number,
  schedulingState: () => string | undefined,
): string | undefined {
  const awaited = plainly(phase)
  if (phase !== 'stopping.killing' || awaited === undefined || inPhaseMs < unremarkableMs) return awaited
  const letter = schedulingState()
  const duration = `${awaited}, for ${Math.floor(inPhaseMs / 1000)} s`
  if (letter === undefined) return duration
  return `${duration}; it is ${states[letter] ?? 'in a state of its own'} (${letter})`
}
