export { errorCodes, type ErrorCode } from './codes.ts'
export {
  OciError,
  errnoOf,
  inContext,
  isOciError,
  stderrTailMaxBytes,
  toOciError,
  type FailedCommand,
  type OciErrorDetails,
} from './oci-error.ts'
