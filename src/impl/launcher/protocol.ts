/**
 * The messages between the supervisor and its launcher, and their validation.
 *
 * They travel with Node's JSON serialization: they are small and textual, and one line per message can be read in a
 * trace. The version is checked once, in `hello`: `launcherPath` may point into another release of this package.
 */
import {
  type AttendingReply,
  type AttendingRequest,
  parseAttendingReply,
  parseAttendingRequest,
} from './attend-protocol.ts'
import type { CommandResult, MonitorFailure, NotStarted } from './command.ts'

export const protocolVersion = 2

/** The launcher's end of a pipe on which nothing is said: its end is that of the supervisor. */
export const lifelineFd = 4

export interface RunRequest {
  readonly type: 'run'
  readonly id: number
  readonly argv: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly timeoutMs: number
  readonly stdoutMaxBytes: number
}

export interface MonitorRequest {
  readonly type: 'monitor'
  readonly id: number
  readonly argv: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly timeoutMs: number
  readonly syncFifo: string
}

export type Request =
  | AttendingRequest
  | RunRequest
  | MonitorRequest
  /** The monitor may go on: write the start byte. */
  | { readonly type: 'start'; readonly id: number }
  /** Kill it. Answered by `aborted`, or by the result if that was on its way already. */
  | { readonly type: 'abort'; readonly id: number }
  /** Is anybody there? Answered by `pong` at once. */
  | { readonly type: 'ping'; readonly id: number }

export type MonitorAnswer = MonitorFailure | { readonly kind: 'created'; readonly containerPid: number }

export type Reply =
  | AttendingReply
  | {
      readonly type: 'hello'
      readonly protocol: number
      /** What could not be set up as wished; for the log. */
      readonly notes: readonly string[]
    }
  | { readonly type: 'spawned'; readonly id: number; readonly pid: number }
  | { readonly type: 'ran'; readonly id: number; readonly result: CommandResult }
  | { readonly type: 'monitored'; readonly id: number; readonly answer: MonitorAnswer }
  | { readonly type: 'aborted'; readonly id: number }
  | { readonly type: 'pong'; readonly id: number }

/** What a request is answered by. */
export type Answer = Exclude<Reply, { readonly type: 'hello' | 'pong' }>

export function parseRequest(value: unknown): Request | undefined {
  if (!isRecord(value) || !isId(value['id'])) return undefined
  const id = value['id']
  switch (value['type']) {
    case 'attend':
    case 'dismiss':
      return parseAttendingRequest(value)
    case 'start':
    case 'abort':
    case 'ping':
      return { type: value['type'], id }
    case 'run': {
      const command = parseCommand(value)
      const stdoutMaxBytes = value['stdoutMaxBytes']
      if (command === undefined || typeof stdoutMaxBytes !== 'number') return undefined
      return { type: 'run', id, ...command, stdoutMaxBytes }
    }
    case 'monitor': {
      const command = parseCommand(value)
      const syncFifo = value['syncFifo']
      if (command === undefined || typeof syncFifo !== 'string') return undefined
      return { type: 'monitor', id, ...command, syncFifo }
    }
    default:
      return undefined
  }
}

export function parseReply(value: unknown): Reply | undefined {
  if (!isRecord(value)) return undefined
  const { type, id } = value as { type?: unknown; id?: unknown }
  if (type === 'hello') {
    const { protocol, notes } = value as { protocol?: unknown; notes?: unknown }
    return typeof protocol === 'number' && isStrings(notes) ? { type, protocol, notes } : undefined
  }
  if (!isId(id)) return undefined
  switch (type) {
    case 'attending':
    case 'attended':
      return parseAttendingReply(value)
    case 'pong':
    case 'aborted':
      return { type, id }
    case 'spawned':
      return isId(value['pid']) ? { type, id, pid: value['pid'] } : undefined
    case 'ran': {
      const result = parseResult(value['result'])
      return result && { type, id, result }
    }
    case 'monitored': {
      const answer = parseAnswer(value['answer'])
      return answer && { type, id, answer }
    }
    default:
      return undefined
  }
}

function parseCommand(
  value: Record<string, unknown>,
): Omit<MonitorRequest, 'type' | 'id' | 'syncFifo'> | undefined {
  const { argv, env, cwd, timeoutMs } = value as Partial<Record<string, unknown>>
  if (!isStrings(argv) || !isEnvironment(env)) return undefined
  if (typeof cwd !== 'string' || typeof timeoutMs !== 'number') return undefined
  const [file, ...rest] = argv
  return file === undefined ? undefined : { argv: [file, ...rest], env, cwd, timeoutMs }
}

function parseResult(value: unknown): CommandResult | undefined {
  if (!isRecord(value)) return undefined
  const { stdout, stderrTail, timedOut, stdoutTruncated } = value as Partial<Record<string, unknown>>
  if (typeof stdout !== 'string' || typeof stderrTail !== 'string') return undefined
  if (typeof timedOut !== 'boolean' || typeof stdoutTruncated !== 'boolean') return undefined
  const notStarted = value['notStarted'] === undefined ? undefined : parseNotStarted(value['notStarted'])
  if (value['notStarted'] !== undefined && notStarted === undefined) return undefined
  return { ...parseExit(value), stdout, stderrTail, timedOut, stdoutTruncated, notStarted }
}

function parseAnswer(value: unknown): MonitorAnswer | undefined {
  if (!isRecord(value)) return undefined
  const { kind, message, text, containerPid } = value as Partial<Record<string, unknown>>
  const stderrTail = typeof value['stderrTail'] === 'string' ? value['stderrTail'] : ''
  switch (kind) {
    case 'created':
      return isId(containerPid) ? { kind, containerPid } : undefined
    case 'refused':
      return typeof message === 'string' ? { kind, message } : undefined
    case 'exited':
      return { kind, ...parseExit(value), stderrTail }
    case 'silent':
      return { kind, exitCode: parseExit(value).exitCode, stderrTail }
    case 'garbled':
      return typeof text === 'string' ? { kind, text, stderrTail } : undefined
    case 'timedOut':
      return { kind, stderrTail }
    case 'notStarted': {
      const notStarted = parseNotStarted(value)
      return notStarted && { kind, ...notStarted }
    }
    default:
      return undefined
  }
}

/** JSON drops what is undefined; a reader of the result may rely on the keys. */
function parseExit(value: Record<string, unknown>): {
  exitCode: number | undefined
  signal: string | undefined
} {
  const { exitCode, signal } = value as { exitCode?: unknown; signal?: unknown }
  return {
    exitCode: typeof exitCode === 'number' ? exitCode : undefined,
    signal: typeof signal === 'string' ? signal : undefined,
  }
}

function parseNotStarted(value: unknown): NotStarted | undefined {
  if (!isRecord(value)) return undefined
  const { errno, path, isFifo } = value as { errno?: unknown; path?: unknown; isFifo?: unknown }
  if (typeof errno !== 'string' || typeof path !== 'string') return undefined
  return isFifo === true ? { errno, path, isFifo } : { errno, path }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isEnvironment(value: unknown): value is Record<string, string> {
  return isRecord(value) && isStrings(Object.values(value))
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}
