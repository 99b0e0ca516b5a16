/**
 * The process spec of an exec: the container's own with what the request changes. Pure; the container's spec is not touched.
 *
 * Deliberately not here: who the user is (exec-user.ts).
 */
import { OciError } from '../../errors/index.ts'
import type { OciProcess } from '../../bundle/oci-spec.ts'
import type { ExecCommand, ExecRequest } from '../exec-port.ts'
import type { TerminalSize } from '../terminal-size.ts'
import { checkTerminalSize } from '../attach-client/terminal-sizes.ts'

/** Linux takes 128 KiB for one argument and a quarter of the stack for all; what is above this never fits. */
const argumentMaxBytes = 131_071
const argumentsMaxBytes = 2 * 1024 * 1024

export interface Terminal {
  readonly size: TerminalSize | undefined
}

/**
 * What the container has that is not the process's own (its capabilities, labels, limits) an exec has too; only what the
 * kernel would hand on to any program, the inheritable capabilities, is left out (CVE-2022-27649) but for the ambient
 * ones, which are handed on in any case and cannot be without.
 */
export function execProcess(
  own: OciProcess,
  { argv, env = {}, cwd = own.cwd }: ExecCommand,
  user: OciProcess['user'],
  terminal: Terminal | undefined,
): OciProcess {
  const { terminal: _, consoleSize: __, capabilities, ...rest } = own
  const size = terminal?.size
  return {
    ...rest,
    terminal: terminal !== undefined,
    ...(size === undefined ? {} : { consoleSize: { height: size.height, width: size.width } }),
    ...(capabilities === undefined
      ? {}
      : { capabilities: { ...capabilities, inheritable: [...(capabilities.ambient ?? [])] } }),
    user,
    args: [...argv],
    env: execEnvironment(own.env ?? [], env, terminal !== undefined),
    cwd,
  }
}

/** The last of a name counts, as with most programs; TERM is what a terminal cannot do without. */
function execEnvironment(
  own: readonly string[],
  extra: Readonly<Record<string, string>>,
  hasTerminal: boolean,
): string[] {
  const entries = new Map(own.map((entry) => [entry.split('=', 1)[0] ?? entry, entry]))
  if (hasTerminal && !entries.has('TERM')) entries.set('TERM', 'TERM=xterm')
  for (const [name, value] of Object.entries(extra)) entries.set(name, `${name}=${value}`)
  return [...entries.values()]
}

/** Throws ERR_INVALID_ARGUMENT with the field for what no runtime could do, before anything is touched. */
export function checkExecCommand({ argv, env = {}, cwd }: ExecCommand): void {
  if (argv.length === 0 || argv[0] === '') throw invalid('argv', 'the command must not be empty')
  argv.forEach((argument, index) => checkText(argument, `argv.${index}`))
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
    throw invalid('argv', `arguments and environment must not have more than ${argumentsMaxBytes} bytes`)
  if (cwd === undefined) return
  if (!cwd.startsWith('/')) throw invalid('cwd', `the working directory must be an absolute path, got ${cwd}`)
  checkText(cwd, 'cwd')
}

/** {@link checkExecCommand}, and what a session has besides. */
export function checkExecRequest(request: ExecRequest): void {
  checkExecCommand(request)
  if (request.size !== undefined) checkTerminalSize(request.size, 'size')
  checkLimit(request.drainMs, 'drainMs')
}

/** Throws ERR_INVALID_ARGUMENT for what is no number from `least` to Infinity. */
export function checkLimit(value: number | undefined, field: string, least = 0): void {
  if (value === undefined || value >= least) return
  throw invalid(field, `${field} must be a number from ${least} on, got ${value}`)
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
