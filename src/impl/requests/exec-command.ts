/**
 * What a command must look like to be run in a container, by any runtime, and how many there may be. Pure.
 *
 * Deliberately not here: whether the container has it, and the user, who is looked up in the container.
 */
import { OciError } from '../../errors/index.ts'
import { checkSizes, checkTerminalSize } from '../attach-client/terminal-sizes.ts'
import type { ExecCommand, ExecRequest, ExecSyncRequest } from '../exec-port.ts'

/** Linux takes 128 KiB for one argument and a quarter of the stack for all; what is above this never fits. */
const argumentMaxBytes = 131_071
const argumentsMaxBytes = 2 * 1024 * 1024
const argumentsMax = 65_536

/** Each has up to three FIFOs and a caller who waits for it; what is beyond is refused, not queued. */
const execsMax = 1024
/** So that a container that holds up its own commands leaves room for those of others. */
const execsPerContainerMax = 128

/** ERR_BUSY when there is no room for one more beside so many: of one implementation in all, and in the container. */
export function checkExecCounts(containerId: string, inAll: number, inContainer: number): void {
  if (inContainer >= execsPerContainerMax)
    throw busy(containerId, `${execsPerContainerMax} commands run in container ${containerId} already`)
  if (inAll >= execsMax) throw busy(containerId, `${execsMax} commands run in containers already`)
}

function busy(containerId: string, what: string): OciError {
  return new OciError('ERR_BUSY', `${what}, and no more are started until one ends`, { containerId })
}

/** Throws ERR_INVALID_ARGUMENT with the field for what no runtime could do, before anything is touched. */
export function checkExecCommand({ argv, env = {}, cwd }: ExecCommand): void {
  const given: unknown = argv
  if (!Array.isArray(given)) {
    const example = "['uname', '-a'], or ['sh', '-c', '…'] for a line of shell"
    throw invalid('command', `the command must be a list of strings, such as ${example}`)
  }
  const variables: unknown = env
  if (typeof variables !== 'object' || variables === null || Array.isArray(variables))
    throw invalid('env', "env must be an object, such as { HOME: '/root' }")
  if (argv.length === 0 || argv[0] === '') throw invalid('command', 'the command must not be empty')
  if (argv.length + Object.keys(env).length > argumentsMax)
    throw invalid('command', `arguments and environment must not be more than ${argumentsMax} together`)
  argv.forEach((argument, index) => checkText(argument, `command.${index}`))
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || name.includes('=') || name.includes('\0'))
      throw invalid('env', `not the name of a variable: ${JSON.stringify(name)}`)
    checkText(value, `env.${name}`)
  }
  const sizeBytes = [...argv, ...Object.entries(env).flat()].reduce(
    (sum, text) => sum + Buffer.byteLength(text) + 1,
    0,
  )
  if (sizeBytes > argumentsMaxBytes)
    throw invalid('command', `arguments and environment must not have more than ${argumentsMaxBytes} bytes`)
  if (cwd === undefined) return
  checkText(cwd, 'cwd')
  if (!cwd.startsWith('/')) throw invalid('cwd', `the working directory must be an absolute path, got ${cwd}`)
}

/** {@link checkExecCommand}, and what a session has besides. */
export function checkExecRequest(request: ExecRequest): void {
  checkExecCommand(request)
  if (request.size !== undefined) checkTerminalSize(request.size, 'size')
  checkLimit(request.drainMs, 'drainMs')
  const { onDisconnect = 'kill', resize$ } = request
  if (onDisconnect !== 'kill' && onDisconnect !== 'leave')
    throw invalid('onDisconnect', `onDisconnect must be kill or leave, got ${JSON.stringify(onDisconnect)}`)
  checkSizes(resize$)
}

/** Throws ERR_INVALID_ARGUMENT with the field for a limit that is none. */
export function checkExecSyncLimits({ timeoutMs, outputMaxBytes, drainMs }: ExecSyncRequest): void {
  checkLimit(timeoutMs, 'timeoutMs', 1)
  checkLimit(outputMaxBytes, 'outputMaxBytes')
  checkLimit(drainMs, 'drainMs')
}

/** From `least` to Infinity. */
function checkLimit(value: number | undefined, field: string, least = 0): void {
  if (value === undefined || (typeof value === 'number' && value >= least)) return
  throw invalid(field, `${field} must be a number from ${least} on, got ${JSON.stringify(value)}`)
}

function checkText(text: string, field: string): void {
  if (typeof text !== 'string') throw invalid(field, `${field} must be a string`)
  if (text.includes('\0')) throw invalid(field, `${field} must not contain a NUL byte`)
  if (Buffer.byteLength(text) > argumentMaxBytes)
    throw invalid(field, `${field} must not have more than ${argumentMaxBytes} bytes`)
}

function invalid(field: string, message: string): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', message, { field })
}
