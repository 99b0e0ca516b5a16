/**
 * The names of the seed's documented API: CRI-O v1.14, Go package internal/oci. `New(x)` is a parameter, `T.x` a method or
 * a field. Names only: what they are here is in docs/parity.md.
 */
function members(owner: string, names: string): string[] {
  return [owner, ...names.split(/\s+/).map((name) => `${owner}.${name}`)]
}

function parameters(owner: string, names: string): string[] {
  return [owner, ...names.split(/\s+/).map((name) => `${owner}(${name})`)]
}

const constants =
  'AttachPipeStdin AttachPipeStdout AttachPipeStderr ContainerStateCreated ContainerStatePaused ContainerStateRunning ' +
  'ContainerStateStopped ContainerCreateTimeout CgroupfsCgroupsManager SystemdCgroupsManager BufSize ContainerExitsDir ' +
  'ContainerAttachSocketDir RuntimeTypeOCI RuntimeTypeVM'

const verbs =
  'CreateContainer StartContainer ExecContainer ExecSyncContainer UpdateContainer StopContainer DeleteContainer ' +
  'UpdateContainerStatus PauseContainer UnpauseContainer ContainerStats SignalContainer AttachContainer ' +
  'PortForwardContainer ReopenContainerLog WaitContainerStateStopped'

export const seedSymbols: readonly string[] = [
  ...constants.split(' '),
  ...members(
    'Container',
    'AddVolume Annotations BundlePath Created CreatedAt CrioAnnotations Description Dir FromDisk GetStopSignal ID ' +
      'IDMappings Image ImageName ImageRef IntermediateMountPoint Labels LogPath Metadata MountPoint Name NetNsPath ' +
      'Sandbox SeccompProfilePath SetCreated SetIDMappings SetIntermediateMountPoint SetMountPoint ' +
      'SetSeccompProfilePath SetSpec SetStartFailed SetState Spec State StateNoLock StatePath StdinOnce StopSignal ' +
      'Volumes',
  ),
  ...parameters(
    'NewContainer',
    'id name bundlePath logPath netns labels crioAnnotations annotations image imageName imageRef metadata sandbox ' +
      'terminal stdin stdinOnce privileged runtimeHandler dir created stopSignal',
  ),
  ...members('ContainerState', 'State Created Started Finished ExitCode OOMKilled Error'),
  ...members(
    'ContainerStats',
    'Container CPU CPUNano SystemNano MemUsage MemLimit MemPerc NetInput NetOutput BlockInput BlockOutput PIDs',
  ),
  ...members('ContainerStorer', 'Add Get Delete List Size First ApplyAll'),
  'NewMemoryStore',
  ...members('ContainerVolume', 'ContainerPath HostPath Readonly'),
  ...members('ExecSyncError', 'Error'),
  'ExecSyncResponse',
  'History',
  ...members('Runtime', `${verbs} RuntimeImpl Runtimes ValidateRuntimeHandler`),
  ...parameters(
    'New',
    'defaultRuntime runtimes conmonPath conmonEnv cgroupManager containerExitsDir containerAttachSocketDir logSizeMax ' +
      'logToJournald noPivot ctrStopTimeout',
  ),
  ...members('RuntimeHandler', 'RuntimePath RuntimeType'),
  ...members('RuntimeImpl', verbs),
  'StoreFilter',
  'StoreReducer',
]
