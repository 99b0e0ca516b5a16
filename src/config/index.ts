export type {
  CgroupManager,
  Config,
  ConfigInput,
  ConfigWarning,
  Durability,
  RuntimeHandler,
  RuntimeHandlerInput,
} from './config.ts'
export {
  attachPipeStderr,
  attachPipeStdin,
  attachPipeStdout,
  bufSizeBytes,
  cgroupfsCgroupsManager,
  containerAttachSocketDir,
  containerCreateTimeoutMs,
  containerExitsDir,
  runtimeTypeOci,
  runtimeTypeVm,
  systemdCgroupsManager,
} from './constants.ts'
export { checkedConfig, defineConfig } from './define-config.ts'
export { loadConfig } from './load-config.ts'
export { parseConfig } from './parse-config.ts'
export { validateRuntimeHandler } from './validate-runtime-handler.ts'
