/** The commands in containers of RuntimeVM. */
import type { Container } from '../../container.ts'
import { EMPTY } from 'rxjs'
import { execDrainDefaultMs, type ExecPort, type ExecRequest, type ExecSession } from '../exec-port.ts'
import { LatestSize } from '../attach-client/terminal-sizes.ts'
import { checkExecRequest } from '../requests/exec-command.ts'
import { ExecAdmissions } from '../host/exec-admissions.ts'
import { throwIfAborted, untilAborted } from '../host/waiting.ts'
import { endWithin, runExec, type VmExec } from './exec-process.ts'
import { execSync } from './exec-sync.ts'
import type { TerminalSize } from '../terminal-size.ts'
import type { VmWorld } from './world.ts'

const endLimitMs = 2000

export function createVmExecs(world: VmWorld): ExecPort {
  const admissions = new ExecAdmissions()
  return {
    execSync: async (container, request, options) => {
      const admission = admissions.admit(container.id)
      const onRunning = (exec: VmExec): void => {
        const end = (limitMs: number) => endWithin(exec, limitMs)
        admissions.begin(admission, { end, disconnect: () => end(endLimitMs) })
      }
      let left: Promise<void> | undefined
      const onLeft = (ending: Promise<void>): void => void (left = ending)
      try {
        return await execSync(world, container, request, options, { onRunning, onLeft })
      } finally {
        if (left === undefined) admissions.forget(admission)
        else void left.finally(() => admissions.forget(admission))
      }
    },
    startExec: async (container, request, { signal }) => {
      checkExecRequest(request)
      const admission = admissions.admit(container.id)
      const client = clientSizes(world, container, request)
      const begin = async (): Promise<ExecSession> => {
        throwIfAborted(signal)
        const wanted = wantedOf({ ...request, size: client.first })
        const exec = await runExec(world, container, request, wanted, 'startExec')
        const disconnect = () => leave(exec, request)
        const sizes = new LatestSize((size) => exec.resize(size))
        const session = sessionOf(container, request, exec, sizes)
        admissions.begin(admission, { session, end: (limitMs) => endWithin(exec, limitMs), disconnect })
        void untilOver(exec, request).finally(() => admissions.forget(admission))
        followAbort(signal, exec, disconnect)
        client.follow(exec, sizes)
        return session
      }
      const beginning = begin().catch((error: unknown) => {
        client.stop()
        admissions.forget(admission)
        throw error
      })
      // What was begun all the same ends, or is left, when it runs: it is followed as any other.
      return untilAborted(beginning, signal)
    },
    sessions: (containerId) => admissions.sessions(containerId),
    endAll: (containerId, limitMs) => admissions.endAll(containerId, limitMs),
    close: () => admissions.close(),
  }
}

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
  void exec.finish(drainMs ?? execDrainDefaultMs).then(() => exec.remove())
}

function followAbort(signal: AbortSignal, exec: VmExec, disconnect: () => Promise<unknown>): void {
  const onAbort = (): void => void disconnect()
  signal.addEventListener('abort', onAbort, { once: true })
  void exec.exited.then(() => signal.removeEventListener('abort', onAbort))
  if (signal.aborted) onAbort()
}

/** Nobody is at our end any more: it is ended, or goes on without an audience. */
async function leave(exec: VmExec, { onDisconnect = 'kill' }: ExecRequest): Promise<void> {
  if (onDisconnect === 'kill') await endWithin(exec, endLimitMs)
  exec.discard()
}
