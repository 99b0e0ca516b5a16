/** The commands in containers of RuntimeOCI. */
import { inContext } from '../../errors/index.ts'
import { ExecSyncError, type ExecPort } from '../exec-port.ts'
import { ExecAdmissions, type Admission } from '../host/exec-admissions.ts'
import type { ExecWorld, LaunchedExec } from './exec-launch.ts'
import { startExec, type RunningExec } from './exec-session.ts'
import { execSync } from './exec-sync.ts'

const endLimitMs = 2000

export function createExecs(world: ExecWorld): ExecPort {
  const admissions = new ExecAdmissions()

  return {
    execSync: async (container, request, options) => {
      const admission = admissions.admit(container.id)
      // It counts until nothing of it is left, also where its caller has his answer before.
      let gone: Promise<unknown> = Promise.resolve()
      const onLaunching = (launching: Promise<LaunchedExec>): void => {
        // Handled now: a failed launch is execSync's to tell, and rejects before that does.
        gone = keepUntilGone(admissions, admission, launching).catch(() => undefined)
      }
      try {
        return await execSync(world, container, request, options, { onLaunching })
      } catch (error) {
        throw ofContainer(error, container.id)
      } finally {
        void gone.then(() => admissions.forget(admission))
      }
    },
    startExec: async (container, request, { signal }) => {
      const admission = admissions.admit(container.id)
      const { onDisconnect = 'kill' } = request
      const onLaunched = (launched: LaunchedExec): void => {
        const end = (limitMs: number) => launched.end(limitMs)
        const disconnect = () => (onDisconnect === 'kill' ? end(endLimitMs) : Promise.resolve())
        admissions.begin(admission, { end, disconnect })
      }
      let exec: RunningExec
      try {
        exec = await startExec(world, container, request, signal, { onLaunched })
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
    close: () => admissions.close(),
  }
}

async function keepUntilGone(
  admissions: ExecAdmissions,
  admission: Admission,
  launching: Promise<LaunchedExec>,
): Promise<void> {
  const launched = await launching
  const end = (limitMs: number) => launched.end(limitMs)
  admissions.begin(admission, { end, disconnect: () => end(endLimitMs) })
  await launched.cleared
}

/** One that knows its container stays what it is: an ExecSyncError is more than its code. */
function ofContainer(error: unknown, containerId: string): unknown {
  return error instanceof ExecSyncError ? error : inContext(error, { containerId })
}
