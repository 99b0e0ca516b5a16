/**
 * The OCI runtime specification's config.json, as far as this library reads or writes it.
 * What it does not name is kept as it is: a bundle belongs to its author.
 */
export interface OciSpec {
  ociVersion: string
  process?: OciProcess
  root?: { path: string; readonly?: boolean }
  hostname?: string
  mounts?: OciMount[]
  annotations?: Record<string, string>
  linux?: OciLinux
  [key: string]: unknown
}

/**
 * An integer of 64 bits. A `bigint` where a `number` is not exact, beyond 2⁵³ − 1: RLIM_INFINITY is 18446744073709551615n. A
 * spec that is read has a `number` wherever it can.
 */
export type OciInteger = number | bigint

export interface OciProcess {
  terminal?: boolean
  consoleSize?: { height: number; width: number }
  user: { uid: number; gid: number; umask?: number; additionalGids?: number[]; username?: string }
  args: string[]
  env?: string[]
  cwd: string
  capabilities?: Partial<Record<OciCapabilitySet, string[]>>
  rlimits?: { type: string; soft: OciInteger; hard: OciInteger }[]
  noNewPrivileges?: boolean
  oomScoreAdj?: number
  [key: string]: unknown
}

export type OciCapabilitySet = 'bounding' | 'effective' | 'inheritable' | 'permitted' | 'ambient'

export interface OciMount {
  destination: string
  type?: string
  source?: string
  options?: string[]
  [key: string]: unknown
}

export interface OciLinux {
  namespaces?: { type: string; path?: string }[]
  uidMappings?: OciIdMapping[]
  gidMappings?: OciIdMapping[]
  cgroupsPath?: string
  resources?: OciLinuxResources
  maskedPaths?: string[]
  readonlyPaths?: string[]
  [key: string]: unknown
}

export interface OciIdMapping {
  containerID: number
  hostID: number
  size: number
}

/** Limits of a container's cgroup; sizes in bytes, CPU quota and period in microseconds. */
export interface OciLinuxResources {
  memory?: { limit?: OciInteger; reservation?: OciInteger; swap?: OciInteger; [key: string]: unknown }
  cpu?: {
    shares?: OciInteger
    quota?: OciInteger
    period?: OciInteger
    cpus?: string
    mems?: string
    [key: string]: unknown
  }
  pids?: { limit: OciInteger }
  devices?: { allow: boolean; type?: string; major?: OciInteger; minor?: OciInteger; access?: string }[]
  [key: string]: unknown
}
