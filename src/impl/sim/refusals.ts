/** What the simulated runtime and kernel refuse with. */
import { OciError, type ErrorCode } from '../../errors/index.ts'

export function notRunning(id: string, operation: string): OciError {
  return refusal('ERR_NOT_RUNNING', id, operation, 'is not running')
}

export function unknownToRuntime(id: string, operation: string): OciError {
  return refusal('ERR_UNKNOWN_TO_RUNTIME', id, operation, 'is not known to the simulated runtime')
}

export function monitorLost(id: string, operation: string): OciError {
  return refusal('ERR_MONITOR_LOST', id, operation, 'has no monitor any more: it is dead')
}

export function refusal(code: ErrorCode, containerId: string, operation: string, problem: string): OciError {
  return new OciError(code, `container ${containerId} ${problem}`, { containerId, operation })
}
