export { errorCodes, type ErrorCode } from './codes.ts'
export {
  OciError,
  errnoOf,
  inContext,
  isError,
  isOciError,
  messageOf,
  ofOperation,
  stderrTailMaxBytes,
  toOciError,
  type FailedCommand,
  type OciErrorDetails,
} from './oci-error.ts'
export type { ContainerOperation, Operation } from './operations.ts'
export { checkOptionsObject, kindOf, publicCall, publicVerb, type PublicCall } from './public-call.ts'
