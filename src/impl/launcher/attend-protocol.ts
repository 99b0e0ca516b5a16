/**
 * The messages about attended children: long-lived ones, whose standard streams are files or FIFOs opened by path.
 *
 * They have ids of their own and no part in the limit on short commands: hundreds of them may run for days.
 */
import type { NotStarted } from './command.ts'

/** Paths to open as standard streams; what is missing is /dev/null, but for stderr, whose tail is then kept. */
export interface AttendedStdio {
  readonly stdin?: string | undefined
  readonly stdout?: string | undefined
  readonly stderr?: string | undefined
  /** From descriptor 3 on. */
  readonly more?: readonly MoreStdio[] | undefined
}

export interface MoreStdio {
  readonly path: string
  /** `both`: it is never told that nobody is at the other end. */
  readonly access: 'read' | 'both'
}

export type OrphanPolicy = 'kill' | 'leave'

export interface AttendRequest {
  readonly type: 'attend'
  readonly id: number
  readonly argv: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly stdio: AttendedStdio
  /** What becomes of it, with everything below it, when the supervisor disappears. */
  readonly onOrphan: OrphanPolicy
}

export type AttendingRequest =
  | AttendRequest
  /** Kill it. Its end is reported as always. */
  | { readonly type: 'dismiss'; readonly id: number }

export interface AttendedEnd {
  readonly exitCode: number | undefined
  readonly signal: string | undefined
  /** Empty when stderr was given by path. */
  readonly stderrTail: string
}

export type AttendingReply =
  | { readonly type: 'attending'; readonly id: number; readonly pid: number }
  | { readonly type: 'attended'; readonly id: number; readonly end: AttendedEnd | NotStarted }

export function parseAttendingRequest(value: Record<string, unknown>): AttendingRequest | undefined {
  const { type, id, argv, env, cwd, stdio, onOrphan } = value as Partial<Record<string, unknown>>
  if (!isId(id)) return undefined
  if (type === 'dismiss') return { type, id }
  if (type !== 'attend' || !isStrings(argv) || typeof cwd !== 'string') return undefined
  if (onOrphan !== 'kill' && onOrphan !== 'leave') return undefined
  const [file, ...rest] = argv
  const streams = parseStdio(stdio)
  if (file === undefined || !isTexts(env) || streams === undefined) return undefined
  return { type, id, argv: [file, ...rest], env, cwd, stdio: streams, onOrphan }
}

function parseStdio(value: unknown): AttendedStdio | undefined {
  if (!isRecord(value)) return undefined
  const { more, ...streams } = value
  if (!isTexts(streams)) return undefined
  const { stdin, stdout, stderr } = streams as AttendedStdio
  if (more === undefined) return { stdin, stdout, stderr }
  return Array.isArray(more) && more.every(isMore) ? { stdin, stdout, stderr, more } : undefined
}

function isMore(value: unknown): value is MoreStdio {
  if (!isRecord(value) || typeof value['path'] !== 'string') return false
  return value['access'] === 'read' || value['access'] === 'both'
}

export function parseAttendingReply(value: Record<string, unknown>): AttendingReply | undefined {
  const { type, id, pid, end } = value as Partial<Record<string, unknown>>
  if (!isId(id)) return undefined
  if (type === 'attending') return isId(pid) ? { type, id, pid } : undefined
  if (type !== 'attended' || !isRecord(end)) return undefined
  if (typeof end['errno'] === 'string' && typeof end['path'] === 'string')
    return { type, id, end: { errno: end['errno'], path: end['path'], isFifo: isTrue(end['isFifo']) } }
  const { exitCode, signal, stderrTail } = end
  if (typeof stderrTail !== 'string') return undefined
  return {
    type,
    id,
    end: {
      exitCode: typeof exitCode === 'number' ? exitCode : undefined,
      signal: typeof signal === 'string' ? signal : undefined,
      stderrTail,
    },
  }
}

function isTrue(value: unknown): true | undefined {
  return value === true ? true : undefined
}

function isTexts(value: unknown): value is Record<string, string> {
  return isRecord(value) && isStrings(Object.values(value))
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
