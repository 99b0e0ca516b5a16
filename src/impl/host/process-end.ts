/** The end of a process that is nobody's child: waited for, or brought about. */
import { killProcess, observeProcess } from '../process-identity.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { waitUntil } from './waiting.ts'

const SIGKILL = 9

/** True when the process has ended within `timeoutMs`. Throws ERR_ABORTED. */
export function processEnds(
  identity: ProcessIdentity,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  return waitUntil(async () => (await observeProcess(identity)) === 'gone', timeoutMs, signal)
}

/** Kills a process of ours; true when it has ended within `timeoutMs`. */
export function killAndWait(
  identity: ProcessIdentity,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  killProcess(identity, SIGKILL)
  return processEnds(identity, timeoutMs, signal)
}
