/** Refuses what cannot be handed to execve, before it reaches the launcher, and names it. */
import { OciError } from '../../errors/index.ts'
import type { Command, MonitorCommand } from './command.ts'
import type { MonitorRequest } from './protocol.ts'

/** Node's timers overflow above this and would fire at once. */
const timerMaxMs = 2 ** 31 - 1

type CheckedCommand = Pick<MonitorRequest, 'argv' | 'env' | 'cwd' | 'timeoutMs'>

/** The command with its limits brought into the range of timers. Throws ERR_INVALID_ARGUMENT. */
export function checkedCommand({
  argv,
  env,
  cwd = '/',
  timeoutMs,
}: Command | MonitorCommand): CheckedCommand {
  if (argv[0] === '') throw invalid('argv', 'the program to run must have a name, got an empty string')
  argv.forEach((argument, index) => refuseNul(argument, `argv[${index}]`))
  refuseNul(cwd, 'cwd')
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || name.includes('=')) throw invalid('env', `not the name of a variable: '${name}'`)
    refuseNul(name, 'env')
    refuseNul(value, `env.${name}`)
  }
  if (!(timeoutMs > 0)) throw invalid('timeoutMs', `a time limit must be above zero, got ${timeoutMs}`)
  return { argv, env, cwd, timeoutMs: Math.min(timeoutMs, timerMaxMs) }
}

function refuseNul(value: string, field: string): void {
  if (value.includes('\0')) throw invalid(field, `${field} must not contain a NUL byte`)
}

function invalid(field: string, message: string): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', message, { field })
}
