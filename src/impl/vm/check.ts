/**
 * Which versions of OCI runtimes run below shims, and what is known against them.
 *
 * Deliberately not here: the shims themselves, whose versions are those of containerd or Kata.
 */
import { runtimeTypeVm } from '../../config/index.ts'
import type { CheckFinding } from '../check-port.ts'
import { checkPrograms } from '../host/check-programs.ts'
import { runtimePath } from '../host/programs.ts'
import { runtimeEnvironment } from '../host/runtime-environment.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { ociRuntimePath, type VmWorld } from './world.ts'

export async function check(
  world: Pick<VmWorld, 'config' | 'environment' | 'launcher' | 'programs'>,
  { signal }: EffectOptions,
): Promise<readonly CheckFinding[]> {
  const { config, environment, launcher } = world
  const programs = []
  for (const [handlerName, handler] of Object.entries(config.runtimes)) {
    if (handler.runtimeType !== runtimeTypeVm) continue
    const env = runtimeEnvironment(handler.monitorEnv, environment)
    const shim = await runtimePath(world, { handler, handlerName, env }).catch(() => undefined)
    // A shim that is missing is told by the first create, which needs it.
    const path = shim === undefined ? undefined : await ociRuntimePath(world, { handler, env }, shim)
    if (path !== undefined) programs.push({ env, path: () => Promise.resolve(path) })
  }
  return checkPrograms(programs, { launcher, acknowledged: config.acknowledgedAdvisories, signal })
}
