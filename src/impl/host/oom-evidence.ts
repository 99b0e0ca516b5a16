/**
 * Whether the kernel's OOM killer ended a container: the judgement.
 *
 * An exit by KILL alone says nothing, and the OOM killer may have taken a child long before. So it takes both: the exit
 * code of a KILL, and an OOM kill in the container's memory cgroup that our own KILL did not come after.
 */
import { stat } from 'node:fs/promises'
import { errnoOf } from '../../errors/index.ts'
import { ioError } from '../../files.ts'

/** What the kernel and conmon say of OOM kills in a container so far. */
export interface OomEvidence {
  /** Processes killed, by the counter of the cgroup; undefined when that is gone or does not count. */
  readonly kills: number | undefined
  /** When conmon first saw one. */
  readonly firstSeenMs: number | undefined
}

/** An init that the OOM killer takes is reported after its output is drained. Longer than this, and it was a child. */
const drainMaxMs = 30_000

/** The judgement. `before` is the evidence as it stood when we sent our own KILL, if we did. */
export function endedByOom(
  evidence: OomEvidence,
  before: OomEvidence | undefined,
  exitedMs: number | undefined,
): boolean {
  const { kills, firstSeenMs } = evidence
  if (kills === undefined) {
    if (firstSeenMs === undefined || before?.firstSeenMs !== undefined) return false
    return !isLongBefore(firstSeenMs, exitedMs)
  }
  if (kills <= (before?.kills ?? 0)) return false
  // The only one there was: its time is known.
  return !(kills === 1 && isLongBefore(firstSeenMs, exitedMs))
}

function isLongBefore(firstSeenMs: number | undefined, exitedMs: number | undefined): boolean {
  return firstSeenMs !== undefined && exitedMs !== undefined && exitedMs - firstSeenMs > drainMaxMs
}

export async function modifiedMs(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).mtimeMs
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw ioError('examine', file, error)
  }
}
