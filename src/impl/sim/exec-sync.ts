/** A command in a simulated container that is run to its end, its output collected. */
import type { Container } from '../../container.ts'
import { isOciError } from '../../errors/index.ts'
import type { Clock } from '../../surroundings/clock.ts'
import {
  execDrainDefaultMs,
  execTimedOutText,
  type ExecSyncRequest,
  type ExecSyncResult,
} from '../exec-port.ts'
import { checkExecCommand, checkExecSyncLimits } from '../requests/exec-command.ts'
import { Capture } from './capture.ts'
import type { ExecAdmission } from './exec-admission.ts'
import { endExec, setLimit, within } from './exec-end.ts'
import type { SimulatedExec } from './simulated-exec.ts'
import type { Supervision } from './supervision.ts'

const connection = { hasStdin: false, terminal: undefined }

/** See the port. The time limit counts from the call, so that of a runtime that hangs is one too. */
export async function execSync(
  { clock, script, existing, run }: Supervision,
  container: Container,
  request: ExecSyncRequest,
  startTimeoutMs: number | undefined,
  admit: () => ExecAdmission,
): Promise<ExecSyncResult> {
  checkExecCommand(request)
  checkExecSyncLimits(request)
  const look = existing(container)
  const admission = admit()
  const timer = setLimit(clock, request.timeoutMs ?? Infinity, () => admission.leave('timedOut'))
  const startTimer = setLimit(clock, startTimeoutMs ?? Infinity, () => admission.leave('notStarted'))
  try {
    return await run('execSync', container, admission.left, () => {
      const exec = admission.launch(script, look(), request, connection)
      clock.clearTimeout(startTimer)
      return collect(clock, admission, exec, request)
    })
  } catch (error) {
    if (admission.isTimedOut && isOciError(error) && error.code === 'ERR_ABORTED') return timedOut()
    throw admission.told(error)
  } finally {
    clock.clearTimeout(timer)
    clock.clearTimeout(startTimer)
    admission.over()
  }
}

async function collect(
  clock: Clock,
  admission: ExecAdmission,
  exec: SimulatedExec,
  request: ExecSyncRequest,
): Promise<ExecSyncResult> {
  const { outputMaxBytes, drainMs = execDrainDefaultMs } = request
  const out = new Capture(exec.stdout.reader, outputMaxBytes)
  const err = new Capture(exec.stderr?.reader, outputMaxBytes)
  const exit = await Promise.race([exec.ended, whenAborted(admission.left)])
  // What was killed has nothing more to say; what a command leaves behind gets its time.
  let drained = true
  if (exit === 'left') drained = await endExec(clock, exec)
  else if (exec.holdsOutput) drained = await within(clock, exec.outputReleased, drainMs)
  exec.releaseOutput()
  await Promise.all([out.ended, err.ended])
  const output = { stdout: out.bytes, stderr: err.bytes }
  const truncated = out.truncated || err.truncated
  if (exit === 'left') {
    if (!admission.isTimedOut) throw admission.gone()
    return { ...timedOut(), stdout: output.stdout, truncated, drained }
  }
  if (exit.kind === 'code') return { exitCode: exit.code, ...output, timedOut: false, truncated, drained }
  const why = 'its monitor died: how it ended is not known'
  throw admission.notRun('ERR_MONITOR_LOST', request, why, output)
}

function timedOut(): ExecSyncResult {
  const [stdout, stderr] = [Buffer.alloc(0), Buffer.from(execTimedOutText)]
  return { exitCode: -1, stdout, stderr, timedOut: true, truncated: false, drained: true }
}

function whenAborted(signal: AbortSignal): Promise<'left'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('left')
    signal.addEventListener('abort', () => resolve('left'), { once: true })
  })
}
