/** Stats: one sample of what a container uses, as its shim counts it; from create until delete, and after the exit. */
import type { Container } from '../../container.ts'
import { isOciError, OciError } from '../../errors/index.ts'
import { readNetworkBytes } from '../host/network-bytes.ts'
import { composeStats } from '../host/compose-stats.ts'
import { throwIfAborted } from '../host/waiting.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import type { ContainerStats } from '../stats-port.ts'
import { taskOf } from './adopt.ts'
import { readMetrics } from './metrics.ts'
import { belowShim, placeOf, type VmWorld } from './world.ts'

/** Parity: the seed's ContainerStats. ERR_NOT_RUNNING when no shim has the container, ERR_UNSUPPORTED, ERR_MONITOR_LOST. */
export async function stats(
  world: VmWorld,
  container: Container,
  { signal }: EffectOptions,
): Promise<ContainerStats> {
  return world.sampling.inTurn(async () => {
    throwIfAborted(signal)
    try {
      return await sample(world, container, signal)
    } catch (error) {
      if (!isOciError(error) || error.code !== 'ERR_UNKNOWN_TO_RUNTIME') throw error
      const message = `container ${container.id} is in no shim: it was not created, or is deleted`
      throw new OciError('ERR_NOT_RUNNING', message, { containerId: container.id, cause: error })
    }
  })
}

async function sample(world: VmWorld, container: Container, signal: AbortSignal): Promise<ContainerStats> {
  const { shim, init } = await taskOf(world, container, signal)
  const { counters, psi, network } = await readMetrics(shim, container.id, signal)
  const atNano = process.hrtime.bigint()
  // A pid of this host has a network namespace of this host.
  const isOurs =
    network === undefined && (await belowShim(world, await placeOf(world, container))) !== undefined
  const bytes = isOurs ? await readNetworkBytes(init) : network
  return composeStats(world.sampling, container, {
    counters,
    psi,
    network: bytes,
    init,
    atNano,
    isThere: true,
  })
}
