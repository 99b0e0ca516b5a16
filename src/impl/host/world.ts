/** What RuntimeOCI and RuntimeVM both have, as far as the shared parts of them need it. Types only. */
import type { Config, RuntimeHandler } from '../../config/config.ts'
import type { Container } from '../../container.ts'
import type { Logger } from '../../surroundings/logger.ts'
import type { CgroupMount } from './cgroups.ts'
import type { KernelLog } from './kernel-log.ts'

export interface HostWorld {
  readonly config: Config
  readonly logger: Logger
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Of this host, read once. */
  cgroupMounts(): Promise<readonly CgroupMount[]>
  /** Asked only where systemd manages cgroups. */
  readonly kernelLog: KernelLog
  /** Paths of programs that were looked up on PATH. */
  readonly programs: Map<string, Promise<string | undefined>>
}

/** A container for an OCI runtime. */
export interface RuntimePlace {
  readonly container: Container
  readonly handler: RuntimeHandler
  readonly handlerName: string
  readonly runtimeRoot: string
  /** Of the runtime, and of whoever runs it. */
  readonly env: Readonly<Record<string, string>>
}
