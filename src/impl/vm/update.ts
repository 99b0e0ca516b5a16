/**
 * Update: changes the limits of a container that is created, running or paused, by its shim.
 *
 * Where its cgroups are this host's, all or nothing, as with RuntimeOCI: a runtime writes one file after the other and
 * stops at the first that the kernel refuses. In a machine nobody but its agent can see them, so its word counts.
 */
import type { OciLinuxResources } from '../../bundle/oci-spec.ts'
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import { readCgroupPaths } from '../host/cgroups.ts'
import { isEmpty, requestedLimits, toResources, type Limits } from '../requests/resources.ts'
import { changeLimits } from '../host/change-limits.ts'
import { observeProcess } from '../process-identity.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { taskOf } from './adopt.ts'
import { packSpecType } from './messages/any.ts'
import { Task } from './messages/generated/task_pb.ts'
import { belowShim, placeOf, type VmWorld } from './world.ts'

const updateMs = 30_000

/**
 * Parity: the seed's UpdateContainer. ERR_INVALID_ARGUMENT with the field that is malformed, ERR_UNSUPPORTED with the one
 * that cannot be changed, ERR_NOT_RUNNING when the container has ended, ERR_RUNTIME_FAILED when the shim refused or did
 * something else.
 */
export async function update(
  world: VmWorld,
  container: Container,
  resources: OciLinuxResources,
  { signal }: EffectOptions,
): Promise<void> {
  const requested = requestedLimits(resources)
  const { shim, init } = await taskOf(world, container, signal)
  if ((await observeProcess(init)) === 'gone') throw hasEnded(container)
  const setLimits = async (limits: Limits): Promise<void> => {
    const packed = packSpecType('LinuxResources', JSON.stringify(toResources(limits)))
    const request = {
      id: container.id,
      resources: { $typeName: 'google.protobuf.Any' as const, ...packed },
    }
    await shim.call(Task.method.update, request, { timeoutMs: updateMs, signal })
  }
  if ((await belowShim(world, await placeOf(world, container))) !== undefined) {
    const cgroupPaths = await readCgroupPaths(init.pid)
    await changeLimits({ world, container, cgroupPaths, setLimits }, requested)
  } else if (!isEmpty(requested)) await setLimits(requested)
}

function hasEnded({ id: containerId }: Container): OciError {
  const message = `container ${containerId} has ended: its limits cannot be changed any more`
  return new OciError('ERR_NOT_RUNNING', message, { containerId })
}
