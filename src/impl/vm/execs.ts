/**
 * The commands in containers of RuntimeVM: which run now, how many there may be, and their end when their container ends
 * or this process lets go.
 */
import type { Container } from '../../container.ts'
import { EMPTY } from 'rxjs'
import { OciError } from '../../errors/index.ts'
import { execDrainDefaultMs, type ExecPort, type ExecRequest, type ExecSession } from '../exec-port.ts'
import { within } from '../launcher/deadlines.ts'
import { checkTerminalSize, LatestSize } from '../attach-client/terminal-sizes.ts'
import { throwIfAborted } from '../oci/waiting.ts'
import { runExec, type VmExec } from './exec-process.ts'
import { execSync } from './exec-sync.ts'
import type { TerminalSize } from '../terminal-size.ts'
import type { VmWorld } from './world.ts'

/** Each has three FIFOs and a pending call; what is beyond is refused, not queued. */
const execsMax = 1024
const endLimitMs = 2000
const SIGKILL = 9

/** A command that was admitted, whether it runs already or not. */
interface Entry {
  readonly containerId: string
  exec: VmExec | undefined
  session: ExecSession | undefined
  /** What to do with it when we leave. */
  disconnect: () => Promise<unknown>
  readonly over: PromiseWithResolvers<void>
}

export function createVmExecs(world: VmWorld): ExecPort {
  const entries = new Set<Entry>()
  let closed = false

  const admit = (containerId: string): Entry => {
    if (closed) throw new OciError('ERR_CLOSED', 'the runtime is closed', { containerId })
    if (entries.size >= execsMax)
      throw new OciError('ERR_BUSY', `${execsMax} commands run in containers already`, { containerId })
    const over = Promise.withResolvers<void>()
    const entry: Entry = { containerId, exec: undefined, session: undefined, disconnect: nothing, over }
    entries.add(entry)
    return entry
  }
  const forget = (entry: Entry): void => {
    entries.delete(entry)
    entry.over.resolve()
  }
  const begin = (entry: Entry, exec: VmExec, disconnect: Entry['disconnect']): void => {
    entry.exec = exec
    entry.disconnect = disconnect
    if (closed) void disconnect()
  }

  return {
    execSync: async (container, request, { signal }) => {
      const entry = admit(container.id)
      try {
        return await execSync(world, container, request, signal, (exec) =>
          begin(entry, exec, () => end(exec)),
        )
      } finally {
        forget(entry)
      }
    },
    startExec: async (container, request, { signal }) => {
      const entry = admit(container.id)
      const client = clientSizes(world, container, request)
      try {
        if (request.size !== undefined) checkTerminalSize(request.size, 'size')
        throwIfAborted(signal)
        const wanted = wantedOf({ ...request, size: client.first })
        const exec = await runExec(world, container, request, wanted, 'startExec')
        const disconnect = () => leave(exec, request)
        begin(entry, exec, disconnect)
        const sizes = new LatestSize((size) => exec.resize(size))
        const session = sessionOf(container, request, exec, sizes)
        entry.session = session
        void untilOver(exec, request).finally(() => forget(entry))
        followAbort(signal, exec, disconnect)
        client.follow(exec, sizes)
        return session
      } catch (error) {
        client.stop()
        forget(entry)
        throw error
      }
    },
    sessions: (containerId) =>
      [...entries].flatMap((entry) =>
        entry.containerId === containerId && entry.session !== undefined ? [entry.session] : [],
      ),
    endAll: async (containerId, limitMs) => {
      const own = [...entries].filter((entry) => entry.containerId === containerId)
      const ends = own.map(async ({ exec, over }) => {
        if (exec !== undefined) return (await endWithin(exec, limitMs)) !== undefined
        // One that is being started ends by the death of its container, or is refused by the shim.
        const isOver = over.promise.then(() => true)
        return (await within(isOver, limitMs)) === true
      })
      return (await Promise.all(ends)).every(Boolean)
    },
    close: async () => {
      closed = true
      await Promise.allSettled([...entries].map(({ disconnect }) => disconnect()))
    },
  }
}

const nothing = (): Promise<void> => Promise.resolve()

function wantedOf({ tty = false, size, stdin = false, stdout = true, stderr = true }: ExecRequest) {
  return { terminal: tty, size, stdin, stdout: stdout || tty, stderr: stderr && !tty }
}

function sessionOf(
  { id: containerId }: Container,
  { argv }: ExecRequest,
  exec: VmExec,
  sizes: LatestSize,
): ExecSession {
  return {
    id: exec.id,
    containerId,
    argv,
    pid: exec.pid,
    ...exec.pipes,
    exited: exec.exited,
    kill: (signal) => exec.kill(signal),
    resize: (size) => sizes.set(size),
  }
}

interface ClientSizes {
  /** What came at once, else what was asked for. */
  readonly first: TerminalSize | undefined
  /** From now on they are set. */
  follow(exec: VmExec, sizes: LatestSize): void
  readonly stop: () => void
}

/** The sizes of the client's terminal, listened to before there is one here: the first has to be in force by then. */
function clientSizes(
  { logger }: VmWorld,
  { id: containerId }: Container,
  { tty, size, resize$ }: ExecRequest,
): ClientSizes {
  let first = size
  let isOver = false
  let set: ((size: TerminalSize) => Promise<void>) | undefined
  const complain = (err: unknown): void => {
    if (!isOver) logger.warn({ containerId, err }, 'the size of a terminal was not set')
  }
  const subscription = (tty === true ? (resize$ ?? EMPTY) : EMPTY).subscribe({
    next: (next) => {
      first = next
      set?.(next).catch(complain)
    },
    error: complain,
  })
  const stop = (): void => {
    isOver = true
    subscription.unsubscribe()
  }
  return {
    get first() {
      return first
    },
    follow: (exec, sizes) => {
      set = (next) => sizes.set(next)
      void exec.exited.then(stop)
      // One that came while it was being started.
      if (first !== undefined) set(first).catch(complain)
    },
    stop,
  }
}

/** It counts as running until its exit; its output may be read for longer. */
async function untilOver(exec: VmExec, { drainMs }: ExecRequest): Promise<void> {
  await exec.exited
  void exec.finish(drainMs ?? execDrainDefaultMs)
}

function followAbort(signal: AbortSignal, exec: VmExec, disconnect: () => Promise<unknown>): void {
  const onAbort = (): void => void disconnect()
  signal.addEventListener('abort', onAbort, { once: true })
  void exec.exited.then(() => signal.removeEventListener('abort', onAbort))
  if (signal.aborted) onAbort()
}

/** Nobody is at our end any more: it is ended, or goes on without an audience. */
async function leave(exec: VmExec, { onDisconnect = 'kill' }: ExecRequest): Promise<void> {
  if (onDisconnect === 'kill') await end(exec)
  exec.discard()
}

async function end(exec: VmExec): Promise<void> {
  await endWithin(exec, endLimitMs)
}

async function endWithin(exec: VmExec, limitMs: number): Promise<unknown> {
  // A shim that refuses is as good as gone, and so is the command.
  await exec.kill(SIGKILL).catch(() => false)
  return within(exec.exited, limitMs)
}
