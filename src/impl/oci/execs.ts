/** The commands in containers of RuntimeOCI. */
import { inContext } from '../../errors/index.ts'
import { ExecSyncError, type ExecPort } from '../exec-port.ts'
import { ExecAdmissions } from '../host/exec-admissions.ts'
import { ExecHome } from '../host/exec-home.ts'
import { searchPath } from '../search-path.ts'
import type { ExecWorld, LaunchedExec } from './exec-launch.ts'
import { startExec, type RunningExec } from './exec-session.ts'
import { execSync } from './exec-sync.ts'

const endLimitMs = 2000

export function createExecs(options: Omit<ExecWorld, 'home'>): ExecPort {
  const { oci, launcher } = options
  const env = { PATH: searchPath(oci.environment) }
  const home = new ExecHome({ runDir: oci.config.runDir, launcher, env })
  const world: ExecWorld = { ...options, home }
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
      let exec: RunningExec
      try {
        exec = await startExec(world, container, request, signal)
      } catch (error) {
        admissions.forget(admission)
        throw ofContainer(error, container.id)
      }
      admissions.begin(admission, exec)
      void exec.session.exited.then(() => admissions.forget(admission))
      return exec.session
    },
    sessions: (containerId) => admissions.sessions(containerId),
    endAll: (containerId, limitMs) => admissions.endAll(containerId, limitMs),
    close: async () => {
      await admissions.close()
      await home.close()
    },
  }
}

/** One that knows its container stays what it is: an ExecSyncError is more than its code. */
function ofContainer(error: unknown, containerId: string): unknown {
  return error instanceof ExecSyncError ? error : inContext(error, { containerId })
}
