/**
 * Ending a command in a container with everything that came from it, whatever is refused meanwhile: a process without free
 * descriptors, say, cannot read /proc.
 */
import type { Logger } from '../../surroundings/logger.ts'
import { within } from '../launcher/deadlines.ts'
import type { AttendedChild } from '../launcher/launcher.ts'
import { endProcessTree, signalIfAllowed, type TreeProcess } from '../process-tree.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import type { ExecCgroup } from './exec-cgroup.ts'
import { hasMark, type ExecMark } from './exec-mark.ts'

const SIGKILL = 9
const killGraceMs = 1000
const lookAgainMs = 20

export interface ExecParts {
  readonly containerId: string
  readonly logger: Logger
  readonly child: Pick<AttendedChild, 'kill'>
  readonly monitor: ProcessIdentity | undefined
  readonly cleared: Promise<unknown>
  readonly cgroup: Pick<ExecCgroup, 'end'> | undefined
  readonly mark: ExecMark | undefined
}

/**
 * Again and again until the monitor reports: one that was just spawned has nothing below it yet, and would start the
 * runtime a moment after the first look. One that does not report in time, stopped by a signal perhaps, is killed as well.
 * Never rejects: what failed is tried anew, and logged when the command has not ended for it.
 */
export async function endExec(parts: ExecParts, limitMs: number): Promise<boolean> {
  const { containerId, logger, child, monitor, cleared, cgroup, mark } = parts
  const isMarked = mark === undefined ? undefined : (process: TreeProcess) => hasMark(process, mark)
  const endMs = performance.now() + limitMs
  let failure: unknown
  const attempt = async (end: () => unknown): Promise<void> => {
    try {
      await end()
    } catch (error) {
      failure = error
    }
  }
  do {
    if (monitor !== undefined) await attempt(() => endProcessTree(monitor, limitMs, { isMarked }))
    if (cgroup !== undefined) await attempt(() => cgroup.end(limitMs))
    if ((await within(cleared, lookAgainMs)) !== undefined) return true
  } while (performance.now() < endMs)
  if (failure !== undefined)
    logger.warn({ containerId, err: failure }, 'what came from a command in the container could not be ended')
  // It waits for what cannot be killed (state D, a frozen cgroup), or is stopped. Its exit is not known then. Killed by us
  // and by the launcher: either may be out of order.
  await attempt(() => child.kill())
  if (monitor !== undefined) await attempt(() => signalIfAllowed(monitor, SIGKILL))
  return (await within(cleared, killGraceMs)) !== undefined
}
