/** A command in a simulated container whose streams are the caller's. */
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import type { Clock } from '../../surroundings/clock.ts'
import { execDrainDefaultMs, type ExecRequest, type ExecSession } from '../exec-port.ts'
import { checkTerminalSize, followSizes } from '../attach-client/terminal-sizes.ts'
import { checkExecRequest } from '../requests/exec-command.ts'
import type { TerminalSize } from '../terminal-size.ts'
import type { ExecAdmission } from './exec-admission.ts'
import { endExec, within } from './exec-end.ts'
import type { SimulatedExec } from './simulated-exec.ts'
import { SIGKILL } from './simulated-process.ts'
import type { Supervision } from './supervision.ts'

/** See the port. */
export async function startExec(
  supervision: Supervision,
  container: Container,
  request: ExecRequest,
  admit: () => ExecAdmission,
): Promise<ExecSession> {
  const { tty = false, size, resize$ } = request
  checkExecRequest(request)
  const look = supervision.existing(container)
  const admission = admit()
  const sizes = sizesOf(supervision, container, tty ? resize$ : undefined, size)
  try {
    return await supervision.run('startExec', container, admission.left, () => {
      const terminal = tty ? { size: sizes.latest } : undefined
      const connection = { hasStdin: request.stdin === true, terminal }
      const exec = admission.launch(supervision.script, look(), request, connection)
      sizes.follow(exec)
      void exec.ended.then(() => sizes.stop())
      return handOver(supervision, container, request, admission, exec)
    })
  } catch (error) {
    // A fault may have let it run all the same; then it is over when it ends.
    if (admission.exec === undefined) {
      sizes.stop()
      admission.over()
    }
    throw admission.told(error)
  }
}

interface Sizes {
  /** Before there is a terminal the last of them counts. */
  readonly latest: TerminalSize | undefined
  follow(exec: SimulatedExec): void
  stop(): void
}

function sizesOf(
  { logger }: Supervision,
  { id: containerId }: Container,
  resize$: ExecRequest['resize$'],
  first: TerminalSize | undefined,
): Sizes {
  const over = new AbortController()
  let latest = first
  let followed: SimulatedExec | undefined
  const set = async (size: TerminalSize): Promise<void> => {
    checkTerminalSize(size)
    latest = size
    followed?.resize(size)
    await Promise.resolve()
  }
  const complain = (err: unknown): void =>
    logger.warn({ containerId, err }, 'the size of a terminal was not set')
  if (resize$ !== undefined) void followSizes(resize$, { set, complain, over: over.signal })
  return {
    get latest() {
      return latest
    },
    follow: (exec) => {
      followed = exec
    },
    stop: () => over.abort(),
  }
}

function handOver(
  supervision: Supervision,
  container: Container,
  request: ExecRequest,
  admission: ExecAdmission,
  exec: SimulatedExec,
): ExecSession {
  const { clock } = supervision
  const { drainMs = execDrainDefaultMs, onDisconnect = 'kill' } = request
  const session = sessionOf(supervision, container, request, exec)
  admission.session = session
  admission.disconnect = () => {
    if (exec.isOver) return
    if (onDisconnect === 'kill') void endExec(clock, exec)
    exec.stdin?.writer.end()
    exec.stdout.discard()
    exec.stderr?.discard()
  }
  // A start that was late: whoever asked for it has left.
  if (admission.isAborted) void endExec(clock, exec)
  if (admission.left.aborted) admission.disconnect()
  void seeOff(clock, admission, exec, drainMs)
  return session
}

/** After its end, what it has left behind gets its time for the last of the output. */
async function seeOff(
  clock: Clock,
  admission: ExecAdmission,
  exec: SimulatedExec,
  drainMs: number,
): Promise<void> {
  await exec.ended
  admission.over()
  if (exec.holdsOutput) await within(clock, exec.outputReleased, drainMs)
  exec.releaseOutput()
}

function sessionOf(
  { clock, run }: Supervision,
  container: Container,
  { argv, stdout, stderr }: ExecRequest,
  exec: SimulatedExec,
): ExecSession {
  if (stdout === false) exec.stdout.discard()
  if (stderr === false) exec.stderr?.discard()
  return {
    id: exec.id,
    containerId: container.id,
    argv,
    pid: exec.process.identity.pid,
    stdin: exec.stdin?.writer,
    stdout: stdout === false ? undefined : exec.stdout.reader,
    stderr: stderr === false ? undefined : exec.stderr?.reader,
    exited: exec.ended,
    kill: async (signal) => {
      if (exec.isOver) return false
      return run('killExec', container, undefined, async () => {
        if (exec.isOver) return false
        if (signal === SIGKILL) await endExec(clock, exec)
        else exec.process.signal(signal)
        return true
      })
    },
    resize: async (size) => {
      if (!exec.hasTerminal) throw noTerminal(container.id)
      checkTerminalSize(size)
      await run('resizeExec', container, undefined, () => exec.resize(size))
    },
  }
}

function noTerminal(containerId: string): OciError {
  return new OciError('ERR_UNSUPPORTED', 'the command has no terminal', { containerId, field: 'tty' })
}
