/**
 * The monitor's own scope where systemd manages cgroups. It takes conmon or a shim, the runtime and its hooks out of the
 * embedder's service, so that they outlive a restart of that.
 *
 * Unlike a cgroup of ours (oci/monitor-cgroup.ts) it is no nicety: a monitor that stayed in the service would die with it,
 * so a create without its scope fails. Deliberately not here: the names of scopes.
 */
import { isSliceName } from '../../config/slice-name.ts'
import type { CreateOptions } from '../runtime-impl.ts'
import { checkSystemdUser } from './bundle-checks.ts'
import type { HostWorld, RuntimePlace } from './world.ts'
import { OciError } from '../../errors/index.ts'
import type { Scopes } from '../systemd/scopes.ts'

/** A TERM would end a monitor before its container: conmon hands it on, a shim leaves. Both ignore this one. */
const SIGPIPE = 13
const defaultSlice = 'system.slice'

export interface MonitorScope {
  readonly name: string
  readonly slice: string
}

/**
 * Where systemd manages cgroups: the slice that create was given, else the handler's. ERR_INVALID_ARGUMENT with the field
 * when that is no slice, ERR_UNSUPPORTED without root. Undefined where it does not.
 * Parity: CRI-O has no such argument left, and its `monitor_cgroup` alone decides.
 */
export function monitorSlice(
  { config }: Pick<HostWorld, 'config'>,
  { container, handler: { monitorCgroup } }: Pick<RuntimePlace, 'container' | 'handler'>,
  cgroupParent: CreateOptions['cgroupParent'],
): string | undefined {
  if (config.cgroupManager !== 'systemd') return undefined
  checkSystemdUser(container)
  const slice = cgroupParent || (monitorCgroup === 'pod' ? undefined : monitorCgroup) || defaultSlice
  if (isSliceName(slice)) return slice
  const message = `cgroupParent ${JSON.stringify(cgroupParent)} must be the name of a slice, such as "machine.slice", where systemd manages cgroups`
  throw new OciError('ERR_INVALID_ARGUMENT', message, { containerId: container.id, field: 'cgroupParent' })
}

/**
 * Resolves when the process is in the scope. ERR_CONTAINER_EXISTS when somebody's monitor is in one of that name,
 * ERR_MONITOR_FAILED when systemd refuses, ERR_IO, ERR_TIMEOUT.
 */
export async function moveToMonitorScope(
  scopes: Scopes,
  { name, slice }: MonitorScope,
  pid: number,
  containerId: string,
): Promise<void> {
  const description = `Monitor of container ${containerId}`
  const start = await scopes.start({ name, slice, description, pids: [pid], killSignal: SIGPIPE })
  if (start.kind === 'started') return
  if (start.kind === 'exists') {
    const message = `systemd has ${name} already: another supervisor has a container ${containerId}; take another id`
    throw new OciError('ERR_CONTAINER_EXISTS', message, { containerId, field: 'id' })
  }
  const message = `systemd refused ${name} in ${slice}: ${start.words}`
  throw new OciError('ERR_MONITOR_FAILED', message, { containerId })
}
