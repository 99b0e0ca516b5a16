/** The shapes of a configuration: what an embedder writes and what the rest of the library reads. No rules here. */

export type CgroupManager = 'cgroupfs' | 'systemd'

/**
 * When a state file counts as written. `fsync`: when the disk has it, so that it survives a loss of power. `rename`: when
 * the kernel has it, so that it survives the end of this process and no more; for state directories in memory.
 */
export type Durability = 'fsync' | 'rename'

/** One runtime handler, complete. Parity: the seed's RuntimeHandler. */
export interface RuntimeHandler {
  /** Absolute path of the runtime or shim. Undefined: opening the runtime looks for the handler's name on PATH. */
  readonly runtimePath: string | undefined
  /** `oci`, `vm`, or the name under which an embedder registered an implementation. */
  readonly runtimeType: string
  /** Directory of the runtime's own state (`--root`). */
  readonly runtimeRoot: string
  /** Configuration file handed to the shim. Never set for type `oci`. */
  readonly runtimeConfigPath: string | undefined
  /** Absolute path of the OCI runtime that a shim of runc's kind runs. Never set for type `oci`. */
  readonly ociRuntimePath: string | undefined
  /** At least 30 s, at most what a timer can hold. */
  readonly containerCreateTimeoutMs: number
  /** Absolute path of conmon, with the global `conmon` applied. Undefined: opening the runtime looks for `conmon` on PATH. */
  readonly monitorPath: string | undefined
  /** Where conmon is put: `pod`, a systemd slice, or undefined for next to the container's parent group. */
  readonly monitorCgroup: string | undefined
  /** `KEY=value` for conmon and the runtime, with the global `conmon_env` applied. */
  readonly monitorEnv: readonly string[]
  /** Annotations that change what the runtime does and that a bundle may have nonetheless. Exact names. */
  readonly allowedAnnotations: readonly string[]
}

/** Something in a configuration that is accepted but probably not what was meant. */
export interface ConfigWarning {
  /** The dotted key. */
  readonly key: string
  /** The known key that looks most like it, when one does. */
  readonly nearest: string | undefined
  readonly message: string
}

/** A valid configuration with every default filled in. Deeply frozen. Parity: the arguments of the seed's New. */
export interface Config {
  /** The handler of containers that name none. It exists in `runtimes`, with a path if its type needs one. */
  readonly defaultRuntime: string
  /** By handler name. The object has no prototype, so that a handler may be called `constructor`. */
  readonly runtimes: Readonly<Record<string, RuntimeHandler>>
  /** As configured; the handlers' `monitorPath` is what counts. */
  readonly conmon: string | undefined
  /** As configured; the handlers' `monitorCgroup` is what counts. */
  readonly conmonCgroup: string | undefined
  /** As configured; the handlers' `monitorEnv` is what counts. */
  readonly conmonEnv: readonly string[]
  readonly cgroupManager: CgroupManager
  readonly containerExitsDir: string
  readonly containerAttachSocketDir: string
  /** −1: no limit. */
  readonly logSizeMaxBytes: number
  readonly logToJournald: boolean
  readonly noPivot: boolean
  readonly ctrStopTimeoutSeconds: number
  readonly stateDir: string
  readonly runDir: string
  readonly durability: Durability
  /** Security advisories of runc, crun and conmon that are known to be dealt with on this host, by name. */
  readonly acknowledgedAdvisories: readonly string[]
  /** For the logger; none is an error. */
  readonly warnings: readonly ConfigWarning[]
}

/** A runtime handler as written: {@link RuntimeHandler} with everything optional; an empty string means not set. */
export interface RuntimeHandlerInput {
  readonly runtimePath?: string | undefined
  readonly runtimeType?: string | undefined
  readonly runtimeRoot?: string | undefined
  readonly runtimeConfigPath?: string | undefined
  readonly ociRuntimePath?: string | undefined
  /** 0: the default. 1 to 29 999: raised to 30 s with a warning. */
  readonly containerCreateTimeoutMs?: number | undefined
  readonly monitorPath?: string | undefined
  readonly monitorCgroup?: string | undefined
  readonly monitorEnv?: readonly string[] | undefined
  readonly allowedAnnotations?: readonly string[] | undefined
  /** Take path, type, root and configuration file from the default handler, whatever is set here. */
  readonly inheritDefaultRuntime?: boolean | undefined
}

/** A configuration as written in JavaScript. Every {@link Config} is one. An empty string means not set. */
export interface ConfigInput {
  /** Default: `crun`. */
  readonly defaultRuntime?: string | undefined
  readonly runtimes: Readonly<Record<string, RuntimeHandlerInput>>
  readonly conmon?: string | undefined
  readonly conmonCgroup?: string | undefined
  readonly conmonEnv?: readonly string[] | undefined
  readonly cgroupManager?: CgroupManager | undefined
  readonly containerExitsDir?: string | undefined
  readonly containerAttachSocketDir?: string | undefined
  readonly logSizeMaxBytes?: number | undefined
  readonly logToJournald?: boolean | undefined
  readonly noPivot?: boolean | undefined
  readonly ctrStopTimeoutSeconds?: number | undefined
  readonly stateDir?: string | undefined
  readonly runDir?: string | undefined
  /** Default: `fsync`. */
  readonly durability?: Durability | undefined
  readonly acknowledgedAdvisories?: readonly string[] | undefined
}
