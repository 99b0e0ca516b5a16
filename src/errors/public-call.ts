/**
 * The door of the public functions: whatever is thrown behind it, of what a program without types may pass or of a defect
 * of ours, its caller gets an OciError with the name of the function.
 */
import type { ErrorCode } from './codes.ts'
import { errnoOf, inContext, isOciError, messageOf, OciError, type OciErrorDetails } from './oci-error.ts'
import type { Operation } from './operations.ts'

export interface PublicCall {
  /** Undefined for what has no name among the operations: a constructor, a method of a noun. */
  readonly operation: Operation | undefined
  readonly containerId?: string | undefined
  /** What an error is that nobody foresaw. Default ERR_INVALID_ARGUMENT: of a function that does nothing but look at them. */
  readonly code?: ErrorCode
}

export function publicCall<T>(call: PublicCall, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw publicError(error, call)
  }
}

export async function publicVerb<T>(call: PublicCall, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw publicError(error, call)
  }
}

function publicError(
  error: unknown,
  { operation, containerId, code = 'ERR_INVALID_ARGUMENT' }: PublicCall,
): unknown {
  if (isOciError(error)) {
    if (operation === undefined || (error.operation !== undefined && error.containerId !== undefined))
      return error
    // An error of another class has more to say than is copied.
    if (error.operation !== undefined && error.name !== 'OciError') return error
    return inContext(error, { operation: error.operation ?? operation, containerId })
  }
  const details: OciErrorDetails = { operation, containerId, cause: error }
  const errno = errnoOf(error)
  if (errno === 'ERR_ACCESS_DENIED') {
    return new OciError(
      'ERR_IO',
      `the permission model of Node does not allow it: ${messageOf(error)}`,
      details,
    )
  }
  if (errno !== undefined && /^E[A-Z0-9]+$/.test(errno))
    return new OciError('ERR_IO', messageOf(error), details)
  const subject =
    operation === undefined || code !== 'ERR_INVALID_ARGUMENT'
      ? ''
      : `${operation} cannot take what it was given: `
  return new OciError(code, `${subject}${messageOf(error)}`, details)
}

/** ERR_INVALID_ARGUMENT unless `value` is an object: the options of a public function. */
export function checkOptionsObject(
  value: unknown,
  operation: Operation | undefined,
  field = 'options',
): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return
  const message = `${field} must be an object, not ${kindOf(value)}`
  throw new OciError('ERR_INVALID_ARGUMENT', message, { operation, field })
}

/** What a value is, in a message about what it should have been. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value)
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
