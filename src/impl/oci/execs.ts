/** The commands in containers of RuntimeOCI. */
import { inContext } from '../../errors/index.ts'
import { ExecSyncError, type ExecPort, type ExecSession } from '../exec-port.ts'
import { ExecAdmissions } from '../host/exec-admissions.ts'
import { untilAborted } from '../host/waiting.ts'
import type { ExecWorld, LaunchedExec } from './exec-launch.ts'
import { startExec, type RunningExec } from './exec-session.ts'
import { execSync } from './exec-sync.ts'

const endLimitMs = 2000

export function createExecs(world: ExecWorld): ExecPort {
  const admissions = new ExecAdmissions()

  return {
    execSync: async (container, request, { signal }) => {
      const admission = admissions.admit(container.id)
      const onLaunched = (launched: LaunchedExec): void => {
        const end = (limitMs: number) => launched.end(limitMs)
        admissions.begin(admission, { end, disconnect: () => end(endLimitMs) })
      }
      try {
        return await execSync(world, container, request, signal, { onLaunched })
      } catch (error) {
        throw ofContainer(error, container.id)
      } finally {
        admissions.forget(admission)
      }
    },
    startExec: async (container, request, { signal }) => {
      const admission = admissions.admit(container.id)
      const begin = (exec: RunningExec): ExecSession => {
        admissions.begin(admission, exec)
        void exec.session.exited.then(() => admissions.forget(admission))
        return exec.session
      }
      const fail = (error: unknown): never => {
        admissions.forget(admission)
        throw ofContainer(error, container.id)
      }
      // One that is given up while it is being started is ended, or left to itself, as soon as it runs.
      return untilAborted(startExec(world, container, request, signal).then(begin, fail), signal)
    },
    sessions: (containerId) => admissions.sessions(containerId),
    endAll: (containerId, limitMs) => admissions.endAll(containerId, limitMs),
    close: () => admissions.close(),
  }
}

/** One that knows its container stays what it is: an ExecSyncError is more than its code. */
function ofContainer(error: unknown, containerId: string): unknown {
  return error instanceof ExecSyncError ? error : inContext(error, { containerId })
}
