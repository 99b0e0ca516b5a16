/** What the simulated runtime and kernel refuse with. */
import { OciError, type ErrorCode } from '../../errors/index.ts'

export function notRunning(id: string): OciError {
  return refusal('ERR_NOT_RUNNING', id, 'is not running')
}

export function unknownToRuntime(id: string): OciError {
  return refusal('ERR_UNKNOWN_TO_RUNTIME', id, 'is not known to the simulated runtime')
}

export function monitorLost(id: string): OciError {
  return refusal('ERR_MONITOR_LOST', id, 'has no monitor any more: it is dead')
}

export function refusal(code: ErrorCode, containerId: string, problem: string): OciError {
  return new OciError(code, `container ${containerId} ${problem}`, { containerId })
}
