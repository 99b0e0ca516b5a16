export { errorCodes, type ErrorCode } from './codes.ts'
export {
  OciError,
  errnoOf,
  inContext,
  isOciError,
  ofOperation,
  stderrTailMaxBytes,
  toOciError,
  type FailedCommand,
  type OciErrorDetails,
} from './oci-error.ts'
export type { ContainerOperation, Operation } from './operations.ts'
