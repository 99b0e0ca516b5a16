/**
 * How a call of ttrpc fails, and what its status codes mean to us.
 *
 * Only some codes say what went wrong. All that is about a container's state comes as `unknown` with the runtime's words,
 * which errors/runtime-wording.ts reads as it does for the runtimes themselves.
 */
import { OciError, type ErrorCode, type OciErrorDetails } from '../../../errors/index.ts'
import { readRuntimeWords } from '../../../errors/runtime-wording.ts'

/** gRPC's numbers, those that shims send. */
export const rpcStatus = {
  ok: 0,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const

const meanings: ReadonlyMap<number, ErrorCode> = new Map([
  [rpcStatus.invalidArgument, 'ERR_INVALID_ARGUMENT'],
  [rpcStatus.deadlineExceeded, 'ERR_TIMEOUT'],
  [rpcStatus.notFound, 'ERR_UNKNOWN_TO_RUNTIME'],
  [rpcStatus.alreadyExists, 'ERR_CONTAINER_EXISTS'],
  [rpcStatus.failedPrecondition, 'ERR_WRONG_STATUS'],
  [rpcStatus.unimplemented, 'ERR_UNSUPPORTED'],
  [rpcStatus.unavailable, 'ERR_MONITOR_LOST'],
])

/** The shim answered, and the answer is that it failed. Its code is what the answer means, or ERR_RUNTIME_FAILED. */
export class RpcError extends OciError {
  readonly method: string
  /** As sent: one of gRPC's numbers. */
  readonly status: number
  /** As sent. */
  readonly words: string

  constructor(method: string, status: number, words: string, details: OciErrorDetails = {}) {
    const { code, message } = readRuntimeWords(words)
    super(
      code ?? meanings.get(status) ?? 'ERR_RUNTIME_FAILED',
      `shim ${method}: ${message || words}`,
      details,
    )
    this.name = 'RpcError'
    this.method = method
    this.status = status
    this.words = words
  }
}

export function isRpcError(error: unknown, ...statuses: readonly number[]): error is RpcError {
  return error instanceof RpcError && (statuses.length === 0 || statuses.includes(error.status))
}
