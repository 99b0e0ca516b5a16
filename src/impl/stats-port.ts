/**
 * What a container uses, as one sample. Plain data: every implementation fills it in from its own source.
 *
 * The seed's fields keep the seed's names and units, which its names do not tell; ours end in their unit.
 * Invariant: undefined is "cannot be known here", never zero. A host without a controller, a container whose process has
 * ended and took its network with it, a kernel without pressure information: all are undefined.
 */

/** Parity: the seed's ContainerStats, and more. */
export interface ContainerStats {
  /** The container's id. */
  readonly container: string
  /**
   * Percent of one CPU since the sample before, so 200 is two CPUs all the time. The first sample has the mean since the
   * container's process started. Samples within 100 ms of each other repeat it: the kernel's counter is too coarse.
   * Parity: the seed compares with the time since boot, whenever the container started.
   */
  readonly cpu: number
  /** CPU time used so far, in nanoseconds. */
  readonly cpuNano: bigint
  /** When the sample was taken, in nanoseconds since 1970; to the millisecond. */
  readonly systemNano: bigint
  /**
   * Bytes in use that the kernel cannot simply drop: all that counts against the limit, less the file cache that nobody
   * touched lately. Parity: the seed includes that cache; its number is `memTotalBytes`.
   */
  readonly memUsage: number | undefined
  /** Limit of the container's own group in bytes, and never more than the host's RAM. */
  readonly memLimit: number
  /** `memUsage` in parts of `memLimit`: 0 to 1. */
  readonly memPerc: number | undefined
  /**
   * Bytes received by all interfaces of its network namespace but the loopback. Whoever shares the namespace (a pod)
   * shares the number. Undefined in the host's namespace and once the container has ended.
   */
  readonly netInput: number | undefined
  /** Bytes sent, likewise. */
  readonly netOutput: number | undefined
  /**
   * Bytes read from block devices. What came from the cache is not in it; a device on top of another counts as two.
   * On cgroup v1 with a kernel that does not count per group it is the sum over the living processes, and less after an
   * exec session has ended.
   */
  readonly blockInput: number | undefined
  /** Bytes written to block devices, likewise. What the kernel has not written yet is not in it. */
  readonly blockOutput: number | undefined
  /** Processes and threads at this moment. */
  readonly pids: number | undefined

  /** All memory that counts against the limit, file cache included. */
  readonly memTotalBytes: number | undefined
  /** How often its CPU quota ran out. Undefined where the kernel does not count. */
  readonly throttling: CpuThrottling | undefined
  /** Processes that the kernel's OOM killer took in this container so far. */
  readonly oomKills: number | undefined
  /** Pressure stall information; undefined where the kernel or the cgroup has none (cgroup v1 alone never has). */
  readonly psi: PressureStalls | undefined
}

/** Counters since the container was created; they move only while it has a CPU quota. */
export interface CpuThrottling {
  /** Periods in which it wanted to run. */
  readonly periods: number
  /** Periods in which it used up its quota. */
  readonly throttledPeriods: number
  /** How long it waited for the next period, summed over its CPUs, in nanoseconds. */
  readonly throttledNano: bigint
}

/** What its processes waited for. */
export interface PressureStalls {
  readonly cpu: PressureStall | undefined
  readonly memory: PressureStall | undefined
  readonly io: PressureStall | undefined
}

export interface PressureStall {
  /** At least one process waited. */
  readonly some: PressureShares
  /** All processes that wanted to run waited. */
  readonly full: PressureShares | undefined
}

/** Percent (0 to 100) of the last 10, 60 and 300 seconds, and the total since the container was created. */
export interface PressureShares {
  readonly last10sPercent: number
  readonly last60sPercent: number
  readonly last300sPercent: number
  readonly totalUs: number
}
