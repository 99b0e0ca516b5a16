/**
 * What the supervisor and the attach helper say to each other about a session.
 *
 * Output is limited by credit: the helper sends a session no more than it was granted, and keeps the rest, up to a limit.
 * Input is limited by acknowledgement: the supervisor sends the next message when the last one is with the monitor. So the
 * end of a session is told at once, also to one whose client does not take its output.
 */
import { framePayloadMaxBytes } from './frames.ts'

/** The helper's exit code when it cannot work on this host; its stderr says why (EX_UNAVAILABLE of sysexits.h). */
export const unsupportedExitCode = 69

export const request = {
  /** Payload: {@link OpenRequest} as JSON. */
  open: 1,
  /** One message to the monitor, 1 to {@link stdinMessageMaxBytes}. Answered by `written`. */
  stdin: 2,
  /** No more input: half-closes the connection to the monitor. */
  stdinEnd: 3,
  /** Payload: a further number of bytes of credit. */
  credit: 4,
  /** Nobody is interested any more. Not answered. */
  close: 5,
} as const

export const reply = {
  opened: 16,
  stdout: 17,
  stderr: 18,
  written: 19,
  /** The last frame of a session. Payload: {@link SessionEnd} as JSON. */
  end: 20,
} as const

export interface OpenRequest {
  /** Of the directory, of any length, and the socket in it. */
  readonly directory: string
  readonly socket: string
  readonly bufferMaxBytes: number
  /** The monitor is held up for as long as the client is slow; nobody else depends on it. */
  readonly whole: boolean
}

/** Why a session is over. */
export type SessionEndReason =
  /** The monitor closed the connection: the container has exited. */
  | 'exited'
  /** The client took its output too slowly, and more waited for it than may. */
  | 'dropped'
  /** There is no such socket. */
  | 'absent'
  /** The socket does not accept a connection: nobody listens, or too many wait already. */
  | 'refused'

export interface SessionEnd {
  readonly reason: SessionEndReason
  readonly message: string
}

/** conmon reads so much at once and loses the rest of a longer message; an empty one it takes for the end of input. */
export const stdinMessageMaxBytes = 32 * 1024

/** How much output may be under way to, and in, the supervisor. */
export const windowBytes = 512 * 1024

/** A small message takes up more than its bytes. */
const messageOverheadBytes = 256

/** What a message counts for, in credit and in what waits. */
export function costBytes(payload: Buffer): number {
  return payload.length + messageOverheadBytes
}

export function encodeCredit(bytes: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(bytes)
  return payload
}

export function decodeCredit(payload: Buffer): number {
  return payload.length === 4 ? payload.readUInt32BE(0) : 0
}

export function encodeJson(value: OpenRequest | SessionEnd): Buffer {
  return Buffer.from(JSON.stringify(value)).subarray(0, framePayloadMaxBytes)
}

export function parseOpenRequest(payload: Buffer): OpenRequest | undefined {
  const { directory, socket, bufferMaxBytes, whole } = parseRecord(payload)
  if (typeof directory !== 'string' || typeof socket !== 'string') return undefined
  if (typeof bufferMaxBytes !== 'number' || typeof whole !== 'boolean') return undefined
  return { directory, socket, bufferMaxBytes, whole }
}

export function parseSessionEnd(payload: Buffer): SessionEnd | undefined {
  const { reason, message } = parseRecord(payload)
  return isReason(reason) && typeof message === 'string' ? { reason, message } : undefined
}

const reasons: readonly unknown[] = ['exited', 'dropped', 'absent', 'refused'] satisfies SessionEndReason[]

function isReason(value: unknown): value is SessionEndReason {
  return reasons.includes(value)
}

function parseRecord(
  payload: Buffer,
): Record<string, unknown> & Partial<Record<keyof (OpenRequest & SessionEnd), unknown>> {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'))
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {} // Not JSON: the fields are missing, which is what the caller looks at.
  }
}
