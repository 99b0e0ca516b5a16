/** Which versions of conmon and of the runtimes the handlers use, and what is known against them. */
import { runtimeTypeOci } from '../../config/index.ts'
import type { CheckFinding } from '../check-port.ts'
import { checkPrograms } from '../host/check-programs.ts'
import { runtimePath } from '../host/programs.ts'
import { runtimeEnvironment } from '../host/runtime-environment.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { monitorPath, type OciWorld } from './world.ts'

export function check(
  world: Pick<OciWorld, 'config' | 'environment' | 'launcher' | 'programs'>,
  { signal }: EffectOptions,
): Promise<readonly CheckFinding[]> {
  const { config, environment, launcher } = world
  const programs = Object.entries(config.runtimes)
    .filter(([, { runtimeType }]) => runtimeType === runtimeTypeOci)
    .flatMap(([handlerName, handler]) => {
      const env = runtimeEnvironment(handler.monitorEnv, environment)
      return [
        { env, path: () => runtimePath(world, { handler, handlerName, env }) },
        { env, path: () => monitorPath(world, { handler, env }) },
      ]
    })
  return checkPrograms(programs, { launcher, acknowledged: config.acknowledgedAdvisories, signal })
}
