/** The public names, listed one by one. */
export { Runtime, type CallOptions, type ExecSyncOptions } from './runtime.ts'
export {
  ExecSyncError,
  type ExecExit,
  type ExecSyncResult,
  type ExecUser,
  type OnDisconnect,
} from './impl/exec-port.ts'
export type { AttachEnd, AttachOptions, AttachSession } from './impl/attach-port.ts'
export type { CheckFinding } from './impl/check-port.ts'
export type { TerminalSize } from './impl/terminal-size.ts'
export type { ExecProcess, ExecProcessOptions, ExecStreamOptions } from './runtime/exec-process.ts'
export type { RuntimeFacade } from './runtime/facade.ts'
export type { RecoveryReport } from './actors/recovery/report.ts'
export type { ImplementationFactory, RuntimeOptions } from './compose.ts'
export type { MonitorPolicy, MonitorPolicyOf } from './actors/monitor-policy.ts'
export {
  Container,
  containerPhases,
  type ContainerMetadata,
  type ContainerOptions,
  type ContainerPhase,
  type ContainerState,
  type ContainerStatus,
  type ContainerVolume,
  type ExecInfo,
  type ExitStatus,
  type IdMappings,
  type RunningExecInfo,
  type StartingExecInfo,
  type Timestamp,
  type UnknownExitReason,
} from './container.ts'
export {
  errorCodes,
  isOciError,
  OciError,
  type ContainerOperation,
  type ErrorCode,
  type FailedCommand,
  type Operation,
} from './errors/index.ts'
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
  type Durability,
  type RuntimeHandler,
  type RuntimeHandlerInput,
} from './config/index.ts'
export {
  joinLogLines,
  readContainerLog,
  type JoinLinesOptions,
  type LogDefect,
  type LogEntry,
  type LogRecord,
  type LogStream,
  type LostLog,
  type ReadLogOptions,
} from './container-log/index.ts'
export { defaultSpec, readBundleSpec, writeBundle, type DefaultSpecOptions } from './bundle/bundle.ts'
export type { OciInteger, OciLinuxResources, OciSpec } from './bundle/oci-spec.ts'
export type {
  ContainerStats,
  CpuThrottling,
  PressureShares,
  PressureStall,
  PressureStalls,
} from './impl/stats-port.ts'
export type { ContainerStore, StoreFilter, StoreReducer } from './store/container-store.ts'
export type { History } from './store/history.ts'
export { MemoryStore } from './store/memory-store.ts'
export { fromDisk } from './store/state-file.ts'
export { memoryStateDirectory } from './store/memory-state-directory.ts'
export type { StateDirectory, Survivor, SurvivorEntry, Survivors } from './store/state-directory.ts'
export type {
  ContainerEvent,
  ContainerEventType,
  DroppedEvent,
  EventCursor,
  EventFilter,
  EventsOptions,
  ExecEvent,
  PhaseEvent,
  SupervisorEvent,
} from './observe/events.ts'
export type { ContainerLimits } from './machines/delays.ts'
export type { Clock } from './surroundings/clock.ts'
export type { Logger } from './surroundings/logger.ts'
export type {
  Created,
  CreateOptions,
  EffectOptions,
  ExitFact,
  ExitSource,
  Observation,
  Provenance,
  ProcessIdentity,
  RuntimeImpl,
} from './impl/runtime-impl.ts'
