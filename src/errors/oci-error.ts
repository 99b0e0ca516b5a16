import type { ErrorCode } from './codes.ts'
import type { Operation } from './operations.ts'

/** A command that was run and failed: what was run, how it ended, what it last said. */
export interface FailedCommand {
  readonly argv: readonly string[]
  /** Absent when the command was killed by a signal or never started. */
  readonly exitCode: number | undefined
  readonly signal: string | undefined
  /** True when the command was killed because its time was up. */
  readonly timedOut: boolean
  /** The last bytes of standard error, at most {@link stderrTailMaxBytes}, decoded as UTF-8. */
  readonly stderrTail: string
}

/** How much of a failed command's standard error an error carries. */
export const stderrTailMaxBytes = 8192

export interface OciErrorDetails {
  readonly containerId?: string | undefined
  /**
   * The public verb whose work failed, e.g. `createContainer`. A caller that waited for another verb's work gets that
   * one's error: a start behind a failed create says `createContainer`. Undefined where no verb failed, as in `kill` of an
   * ExecProcess, and in what an implementation rejects with: the name is given by who called it.
   */
  readonly operation?: Operation | undefined
  /** The argument or configuration key that is wrong. */
  readonly field?: string | undefined
  /** The file that is wrong. */
  readonly file?: string | undefined
  /** For ERR_WRONG_STATUS: the commands that the state permits. */
  readonly allowed?: readonly string[] | undefined
  readonly command?: FailedCommand | undefined
  readonly cause?: unknown
}

const brand = Symbol.for('oci-supervisor.OciError')

/**
 * The one error class of this library. Decide by `code`, which is one of a closed list; the message is for people.
 * `isOciError` recognises it across copies of the package and across realms, where `instanceof` cannot.
 */
export class OciError extends Error {
  readonly code: ErrorCode
  readonly containerId: string | undefined
  readonly operation: Operation | undefined
  readonly field: string | undefined
  readonly file: string | undefined
  readonly allowed: readonly string[] | undefined
  readonly command: FailedCommand | undefined

  constructor(code: ErrorCode, message: string, details: OciErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'OciError'
    this.code = code
    this.containerId = details.containerId
    this.operation = details.operation
    this.field = details.field
    this.file = details.file
    this.allowed = details.allowed
    this.command = details.command
    Object.defineProperty(this, brand, { value: true })
  }
}

/** True for an {@link OciError}, also one made by another copy of this package. */
export function isOciError(value: unknown): value is OciError {
  return typeof value === 'object' && value !== null && brand in value
}

/** `error` as an OciError: itself if it is one, else wrapped under `code` with the original as its cause. */
export function toOciError(error: unknown, code: ErrorCode, details: OciErrorDetails = {}): OciError {
  if (isOciError(error)) return error
  const message = messageOf(error)
  return new OciError(code, message, { ...details, cause: error })
}

/**
 * `error` as it looks from further out: with `operation` in place of the inner one, and `containerId` and `field` where it
 * had none. What is no OciError is returned as it is.
 */
export function inContext(
  error: unknown,
  { containerId, operation, field }: Pick<OciErrorDetails, 'containerId' | 'operation' | 'field'>,
): unknown {
  if (!isOciError(error)) return error
  const { file, allowed, command, cause } = error
  const outer = new OciError(error.code, error.message, {
    containerId: error.containerId ?? containerId,
    operation: operation ?? error.operation,
    field: error.field ?? field,
    file,
    allowed,
    command,
    cause,
  })
  // Where it happened, not where it was told on.
  if (error.stack !== undefined) outer.stack = error.stack
  return outer
}

/** `error` as that of `operation` unless it is another's, which it stays. What is no OciError is returned as it is. */
export function ofOperation(
  error: unknown,
  context: Pick<OciErrorDetails, 'containerId'> & { readonly operation: Operation },
): unknown {
  return isOciError(error) && error.operation !== undefined ? error : inContext(error, context)
}

/**
 * True for an error of any realm. Node's own are of another one than this code where modules run in a vm context, as in
 * Jest; so are those of an embedder's iframe or ShadowRealm. `instanceof` says no to them.
 */
export function isError(value: unknown): value is Error {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    'message' in value &&
    typeof value.name === 'string' &&
    typeof value.message === 'string'
  )
}

/** What was thrown, in words. Never throws. */
export function messageOf(error: unknown): string {
  if (isError(error)) return error.message
  try {
    return String(error)
  } catch {
    // An object that cannot be made a string: without a prototype, or with a toString that throws.
    return `a thrown ${typeof error}`
  }
}

/** The errno of a failed system call (`ENOENT`, …), or undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  if (!isError(error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
