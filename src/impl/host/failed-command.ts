/** What was run and how it ended, for the error that tells of it. Deliberately not here: what the error is. */
import type { FailedCommand } from '../../errors/index.ts'
import type { CommandResult, MonitorFailure } from '../launcher/launcher.ts'

/** Without an end it never began, or nobody saw it end. */
export function failedCommand(
  argv: readonly string[],
  { exitCode, signal, timedOut = false, stderrTail = '' }: Partial<CommandResult> = {},
): FailedCommand {
  return { argv, exitCode, signal, timedOut, stderrTail }
}

/** Of what was started as a monitor. */
export function failedMonitor(argv: readonly string[], failure: MonitorFailure): FailedCommand {
  return failedCommand(argv, {
    exitCode: 'exitCode' in failure ? failure.exitCode : undefined,
    signal: 'signal' in failure ? failure.signal : undefined,
    timedOut: failure.kind === 'timedOut',
    stderrTail:
      'stderrTail' in failure ? failure.stderrTail : failure.kind === 'refused' ? failure.message : '',
  })
}
