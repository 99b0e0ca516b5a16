/**
 * socat inside a network namespace: its arguments, and what it and nsenter say when they fail.
 *
 * Architecture invariant: no other file looks into their words.
 */
import type { CommandResult } from '../launcher/launcher.ts'

export interface SocatPrograms {
  readonly nsenter: string
  readonly socat: string
}

/** Paths of the container's namespaces. */
export interface EnteredNamespaces {
  readonly net: string
  /**
   * For a supervisor that is not root: the kernel lets an ordinary user into a network namespace only from the user
   * namespace that owns it, and into that one because he made it.
   */
  readonly user: string | undefined
}

export type LoopbackAddress = 'TCP4:127.0.0.1' | 'TCP6:[::1]'

/** How long one direction may go on after the other has ended: socat's default is half a second. Its timer ends at 2³¹ ms. */
const halfClosedSeconds = 2_000_000
const connectTimeoutSeconds = 10
const bufferBytes = 65_536

/** First the port, so that we are only called when somebody has answered there. */
export function socatArguments(
  { nsenter, socat }: SocatPrograms,
  { net, user }: EnteredNamespaces,
  address: LoopbackAddress,
  port: number,
  socketName: string,
): readonly [string, ...string[]] {
  return [
    nsenter,
    // nsenter would become root of the user namespace and drop all groups, which is not allowed there.
    ...(user === undefined ? [] : [`--user=${user}`, '--preserve-credentials']),
    `--net=${net}`,
    '--',
    socat,
    // Warnings, too: a connection that was reset is no more than one.
    '-d',
    `-t${halfClosedSeconds}`,
    `-b${bufferBytes}`,
    `${address}:${port},nodelay,connect-timeout=${connectTimeoutSeconds}`,
    `UNIX-CONNECT:${socketName}`,
  ]
}

export interface SocatFailure {
  /** `unreachable`: nobody answers at that address. `forbidden`: the namespace may not be entered. */
  readonly kind: 'unreachable' | 'forbidden' | 'other'
  /** In their own words, without time and process id. */
  readonly message: string
}

/** What a failed run means. */
export function readSocatFailure(result: CommandResult): SocatFailure {
  const lines = result.stderrTail.split('\n').map(complaint)
  const message = lines.filter((line) => line !== undefined).join('\n') || endOf(result)
  return { kind: kindOf(message), message }
}

/** How a connection broke, also when socat took that for its end (it does, for a reset); undefined when it did not. */
export function readSocatBreak(result: CommandResult): string | undefined {
  const { message } = readSocatFailure(result)
  return result.exitCode !== 0 || /^(?:read|write)\(.*: /im.test(message) ? message : undefined
}

function kindOf(message: string): SocatFailure['kind'] {
  if (/^(?:connect|socket)\([^)]*AF=(?:2|10)\b.*: /im.test(message)) return 'unreachable'
  if (/^socket\(10\b.*: address family not supported/im.test(message)) return 'unreachable'
  if (/^nsenter: .*operation not permitted/im.test(message)) return 'forbidden'
  return 'other'
}

/** Undefined for what is no complaint: socat marks warnings with W, errors with E and fatal ones with F. */
function complaint(line: string): string | undefined {
  const [, level, text] = /^\S+ \S+ socat\[\d+\] ([A-Z]) (.*)$/.exec(line) ?? []
  if (level === undefined) return line.trim() === '' ? undefined : line.trim()
  return /[WEF]/.test(level) ? text : undefined
}

function endOf({ exitCode, signal, notStarted }: CommandResult): string {
  if (notStarted !== undefined) return `${notStarted.path} cannot be executed: ${notStarted.errno}`
  return signal === undefined ? `exit code ${exitCode}` : `killed by ${signal}`
}
