/**
 * A shim's own scope where systemd manages cgroups: `containerd-shim-<id>-<pid>.scope`, with the runtimes that it runs. It
 * is named after the process as well: a shim that serves a pod outlives the container that it was started for, whose id
 * may then be another's.
 */
import { moveToMonitorScope } from '../../host/monitor-scope.ts'
import { readCgroupPaths } from '../../host/cgroups.ts'
import type { Scopes } from '../../systemd/scopes.ts'
import type { Shim } from './connection.ts'

const shimScopePattern = /\/containerd-shim-[^/]+\.scope$/

/** Resolves when the shim is in a scope: that of its pod stays where it is. Throws what {@link moveToMonitorScope} throws. */
export async function moveToShimScope(
  scopes: Scopes,
  slice: string,
  shim: Pick<Shim, 'process'>,
  containerId: string,
): Promise<void> {
  const { pid } = shim.process
  const paths = Object.values(await readCgroupPaths(pid))
  if (paths.some((path) => shimScopePattern.test(path))) return
  await moveToMonitorScope(
    scopes,
    { name: `containerd-shim-${containerId}-${pid}.scope`, slice },
    pid,
    containerId,
  )
}
