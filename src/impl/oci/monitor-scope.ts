/**
 * The monitor's own scope where systemd manages cgroups: `crio-conmon-<id>.scope` in a slice, as CRI-O names it. It takes
 * conmon, the runtime and its hooks out of the embedder's service, so that they outlive a restart of that.
 *
 * Unlike a cgroup of ours (monitor-cgroup.ts) it is no nicety: a monitor that stayed in the service would die with it, so
 * a create without its scope fails.
 */
import { isSliceName, sliceCgroup } from '../../config/slice-name.ts'
import { OciError } from '../../errors/index.ts'
import type { Scopes } from '../systemd/scopes.ts'

/** conmon hands a TERM on to its container and would end before it. It ignores this one. */
const SIGPIPE = 13
const defaultSlice = 'system.slice'

export interface MonitorScope {
  readonly name: string
  readonly slice: string
  /** The same in all hierarchies. */
  readonly cgroup: string
}

/**
 * In the slice that create was given, else in the handler's. ERR_INVALID_ARGUMENT with the field when that is no slice.
 * Parity: CRI-O has no such argument left, and its `monitor_cgroup` alone decides.
 */
export function monitorScope(
  cgroupParent: string | undefined,
  monitorCgroup: string | undefined,
  id: string,
): MonitorScope {
  const slice = cgroupParent || (monitorCgroup === 'pod' ? undefined : monitorCgroup) || defaultSlice
  if (!isSliceName(slice)) {
    const message = `cgroupParent ${JSON.stringify(cgroupParent)} must be the name of a slice, such as "machine.slice", where systemd manages cgroups`
    throw new OciError('ERR_INVALID_ARGUMENT', message, { containerId: id, field: 'cgroupParent' })
  }
  const name = `crio-conmon-${id}.scope`
  return { name, slice, cgroup: `${sliceCgroup(slice)}/${name}` }
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
