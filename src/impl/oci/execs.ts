/**
 * The commands in containers of RuntimeOCI: which run now, how many there may be, and their end when their container
 * ends or this process lets go.
 */
import { inContext, OciError } from '../../errors/index.ts'
import { ExecSyncError, type ExecPort, type ExecSession } from '../exec-port.ts'
import { within } from '../launcher/deadlines.ts'
import { ExecHome } from './exec-home.ts'
import type { ExecWorld, LaunchedExec } from './exec-launch.ts'
import { startExec, type RunningExec } from './exec-session.ts'
import { execSync } from './exec-sync.ts'

/** Each has a monitor and up to three FIFOs; what is beyond is refused, not queued. */
const execsMax = 1024
const endLimitMs = 2000

/** A command that was admitted, whether it runs already or not. */
interface Entry {
  readonly containerId: string
  session: ExecSession | undefined
  /** Undefined until it runs. */
  end: ((limitMs: number) => Promise<boolean>) | undefined
  disconnect: (() => Promise<unknown>) | undefined
  readonly over: PromiseWithResolvers<void>
}

export function createExecs(options: Omit<ExecWorld, 'home'>): ExecPort {
  const { oci, launcher } = options
  const env = { PATH: oci.environment['PATH'] ?? '' }
  const home = new ExecHome({ runDir: oci.config.runDir, launcher, env })
  const world: ExecWorld = { ...options, home }
  const entries = new Set<Entry>()
  let closed = false

  const admit = (containerId: string): Entry => {
    if (closed) throw new OciError('ERR_CLOSED', 'the runtime is closed', { containerId })
    if (entries.size >= execsMax)
      throw new OciError('ERR_BUSY', `${execsMax} commands run in containers already`, { containerId })
    const over = Promise.withResolvers<void>()
    const entry: Entry = { containerId, session: undefined, end: undefined, disconnect: undefined, over }
    entries.add(entry)
    return entry
  }
  const forget = (entry: Entry): void => {
    entries.delete(entry)
    entry.over.resolve()
  }

  return {
    execSync: async (container, request, { signal }) => {
      const entry = admit(container.id)
      const onLaunched = (launched: LaunchedExec): void => {
        entry.end = (limitMs) => launched.end(limitMs)
        entry.disconnect = () => launched.end(endLimitMs)
        if (closed) void entry.disconnect()
      }
      try {
        return await execSync(world, container, request, signal, { onLaunched })
      } catch (error) {
        throw ofContainer(error, container.id)
      } finally {
        forget(entry)
      }
    },
    startExec: async (container, request, { signal }) => {
      const entry = admit(container.id)
      let exec: RunningExec
      try {
        exec = await startExec(world, container, request, signal)
      } catch (error) {
        forget(entry)
        throw ofContainer(error, container.id)
      }
      Object.assign(entry, exec)
      void exec.session.exited.then(() => forget(entry))
      if (closed) void exec.disconnect()
      return exec.session
    },
    sessions: (containerId) =>
      [...entries].flatMap((entry) =>
        entry.containerId === containerId && entry.session !== undefined ? [entry.session] : [],
      ),
    endAll: async (containerId, limitMs) => {
      const own = [...entries].filter((entry) => entry.containerId === containerId)
      const ends = own.map(async ({ end, over }) => {
        if (end !== undefined) await end(limitMs)
        // One that is being started ends by the death of its container, or is refused by the runtime.
        return (
          (await within(
            over.promise.then(() => true),
            limitMs,
          )) === true
        )
      })
      return (await Promise.all(ends)).every(Boolean)
    },
    close: async () => {
      closed = true
      await Promise.allSettled([...entries].map(async ({ disconnect }) => disconnect?.()))
      await home.close()
    },
  }
}

/** One that knows its container stays what it is: an ExecSyncError is more than its code. */
function ofContainer(error: unknown, containerId: string): unknown {
  return error instanceof ExecSyncError ? error : inContext(error, { containerId })
}
