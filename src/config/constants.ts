/** The seed's constants, with our own directories in the place of CRI-O's. */

/** How long creating a container may take unless its handler says otherwise. Parity: ContainerCreateTimeout. */
export const containerCreateTimeoutMs = 240_000

/** The least that `container_create_timeout` can be; less is raised to it. Parity: CRI-O's minimum of 30 s. */
export const containerCreateTimeoutMinMs = 30_000

/** The least, and the default, that `ctr_stop_timeout` can be; less is raised to it. Parity: CRI-O's minimum. */
export const ctrStopTimeoutMinSeconds = 30

/** The cgroup manager that writes cgroupfs itself. Parity: CgroupfsCgroupsManager. */
export const cgroupfsCgroupsManager = 'cgroupfs'

/** The cgroup manager that asks systemd for slices and scopes. Parity: SystemdCgroupsManager. */
export const systemdCgroupsManager = 'systemd'

/** conmon's buffer for a container's output, so also the least that a log's size limit can be. Parity: BufSize. */
export const bufSizeBytes = 8192

/** First byte of a message on conmon's attach socket: the container's stdin. Parity: AttachPipeStdin. */
export const attachPipeStdin = 1

/** First byte of a message on conmon's attach socket: the container's stdout. Parity: AttachPipeStdout. */
export const attachPipeStdout = 2

/** First byte of a message on conmon's attach socket: the container's stderr. Parity: AttachPipeStderr. */
export const attachPipeStderr = 3

/** Runtime type of handlers run through conmon and an OCI runtime. Parity: RuntimeTypeOCI. */
export const runtimeTypeOci = 'oci'

/** Runtime type of handlers that are containerd shims (v2). Parity: RuntimeTypeVM. */
export const runtimeTypeVm = 'vm'

/** What a shim's program is called. Parity: CRI-O's pattern. */
export const shimNamePattern = /^containerd-shim-[a-zA-Z0-9\-+]+$/

/** What outlives a reboot. The seed has none: its callers name a directory for each container. */
export const defaultStateDir = '/var/lib/oci-supervisor'

/** When a state file counts as written; the first is the default. */
export const durabilities = ['fsync', 'rename'] as const

/** What a reboot may take. */
export const defaultRunDir = '/run/oci-supervisor'

/** Where conmon leaves exit files by default: ours, not /var/run/crio/exits. Parity: ContainerExitsDir. */
export const containerExitsDir = `${defaultRunDir}/exits`

/** Where conmon puts attach sockets by default: ours, not /var/run/crio. Parity: ContainerAttachSocketDir. */
export const containerAttachSocketDir = `${defaultRunDir}/attach`

/** The handler used when `default_runtime` is not set. Parity: CRI-O's DefaultRuntime. */
export const defaultRuntimeName = 'crun'

/** Node fires a longer timer at once. */
export const timerMaxMs = 2 ** 31 - 1

/** The largest configuration text that is read. */
export const configFileMaxBytes = 1024 * 1024
