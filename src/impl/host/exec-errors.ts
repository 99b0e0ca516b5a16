/** A command that the runtime could not run, as an error. What the runtime's words mean is in errors/runtime-wording.ts. */
import { OciError, type ErrorCode } from '../../errors/index.ts'
import { readRuntimeWords } from '../../errors/runtime-wording.ts'
import { ExecSyncError } from '../exec-port.ts'
import { failedCommand } from './failed-command.ts'

/** How a process ended, as far as that is known. */
export interface ProcessExit {
  readonly exitCode?: number | undefined
  readonly signal?: string | undefined
}

export interface FailedExec {
  readonly containerId: string
  readonly operation: 'execSyncContainer' | 'startExec'
  readonly argv: readonly string[]
  /** The conmon command line. */
  readonly monitorArgv: readonly string[]
  /** The container's process is gone: what its runtime stumbles over then has many words and one cause. */
  readonly isOver?: boolean | undefined
  /** conmon's own end. */
  readonly monitorExit?: ProcessExit | undefined
}

export interface ExecOutput {
  readonly stdout: Buffer
  readonly stderr: Buffer
}

const nothing: ExecOutput = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }

/** `words`: the runtime's log, else what came on stderr, where conmon and runtimes without a log complain. */
export function notRun(words: string, failed: FailedExec, output: ExecOutput = nothing): OciError {
  const said = words.trim() === '' ? output.stderr.toString('utf8') : words
  const unknown = failed.isOver === true ? 'ERR_NOT_RUNNING' : 'ERR_RUNTIME_FAILED'
  const { code = unknown, message, field } = readRuntimeWords(said)
  const what = `cannot run ${shown(failed.argv)} in container ${failed.containerId}`
  return fault({ code, field }, `${what}: ${message || 'the runtime did not say why'}`, failed, output)
}

/** It ran, and nobody can say how it ended. */
export function exitUnknown(failed: FailedExec, output: ExecOutput = nothing): OciError {
  const message = `the monitor of ${shown(failed.argv)} in container ${failed.containerId} died: how the command ended is not known`
  return fault({ code: 'ERR_MONITOR_LOST' }, message, failed, output)
}

interface Fault {
  readonly code: ErrorCode
  readonly field?: string | undefined
}

function fault({ code, field }: Fault, message: string, failed: FailedExec, output: ExecOutput): OciError {
  const { containerId, operation, monitorArgv, monitorExit } = failed
  const stderrTail = output.stderr.subarray(-8192).toString('utf8')
  const command = failedCommand(monitorArgv, { ...monitorExit, stderrTail })
  const details = { containerId, operation, field, command }
  return operation === 'execSyncContainer'
    ? new ExecSyncError(code, message, { ...details, ...output })
    : new OciError(code, message, details)
}

const shownMaxLength = 200

/** Its name only: arguments may be secrets. */
function shown([file = '']: readonly string[]): string {
  return file.slice(0, shownMaxLength)
}
