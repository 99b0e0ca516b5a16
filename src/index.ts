/** The public names, listed one by one. */
export { Runtime, type CallOptions } from './runtime.ts'
export type { RuntimeFacade } from './runtime-facade.ts'
export type { ImplementationFactory, RuntimeOptions } from './compose.ts'
export {
  Container,
  containerPhases,
  type ContainerMetadata,
  type ContainerOptions,
  type ContainerPhase,
  type ContainerState,
  type ContainerStatus,
  type ContainerVolume,
  type ExitStatus,
  type IdMappings,
  type Timestamp,
  type UnknownExitReason,
} from './container.ts'
export { errorCodes, isOciError, OciError, type ErrorCode, type FailedCommand } from './errors/index.ts'
export {
  attachPipeStderr,
  attachPipeStdin,
  attachPipeStdout,
  bufSizeBytes,
  cgroupfsCgroupsManager,
  containerAttachSocketDir,
  containerCreateTimeoutMs,
  containerExitsDir,
  defineConfig,
  loadConfig,
  parseConfig,
  runtimeTypeOci,
  runtimeTypeVm,
  systemdCgroupsManager,
  type CgroupManager,
  type Config,
  type ConfigInput,
  type ConfigWarning,
  type RuntimeHandler,
  type RuntimeHandlerInput,
} from './config/index.ts'
export { defaultSpec, readBundleSpec, writeBundle, type DefaultSpecOptions } from './bundle.ts'
export type { OciSpec } from './oci-spec.ts'
export type { ContainerStore, StoreFilter, StoreReducer } from './store/container-store.ts'
export type { History } from './store/history.ts'
export { MemoryStore } from './store/memory-store.ts'
export { fromDisk } from './store/state-file.ts'
export { memoryStateDirectory, type StateDirectory } from './store/state-directory.ts'
export type {
  ContainerEvent,
  ContainerEventType,
  DroppedEvent,
  EventCursor,
  EventFilter,
  EventsOptions,
  PhaseEvent,
  SupervisorEvent,
} from './observe/events.ts'
export type { ContainerLimits } from './machines/delays.ts'
export type { Clock } from './clock.ts'
export type { Logger } from './logger.ts'
export type {
  Created,
  CreateOptions,
  EffectOptions,
  ExitFact,
  ExitSource,
  Observation,
  ProcessIdentity,
  RuntimeImpl,
} from './impl/runtime-impl.ts'
