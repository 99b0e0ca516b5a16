/** What a simulated container uses, and what it may use. */
import type { Container } from '../../container.ts'
import type { OciLinuxResources } from '../../bundle/oci-spec.ts'
import { timestampOf } from '../../surroundings/clock.ts'
import {
  belowUse,
  checkOnline,
  isEmpty,
  requestedLimits,
  unlimited,
  withWhatStays,
  type Limits,
} from '../requests/resources.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import type { Sampling } from '../sampling.ts'
import type { ContainerStats } from '../stats-port.ts'
import { notRunning, unknownToRuntime } from './refusals.ts'
import type { SimulatedContainer } from './simulated-container.ts'
import { hasOwnNetwork, hostCpus, hostMemoryBytes, hostMemoryNodes } from './simulated-host.ts'
import { memoryOf, pidsOf } from './simulated-meter.ts'
import type { Supervision } from './supervision.ts'

const nanosPerMs = 1e6

/** As RuntimeOCI: what it refuses is refused here. */
export async function update(
  { existing, run }: Supervision,
  container: Container,
  resources: OciLinuxResources,
  { signal }: EffectOptions,
): Promise<void> {
  const { id } = container
  const requested = requestedLimits(resources)
  const { cpus, mems, memoryLimitBytes = unlimited } = requested
  if (cpus !== undefined) checkOnline('cpu.cpus', cpus, hostCpus)
  if (mems !== undefined) checkOnline('cpu.mems', mems, hostMemoryNodes)
  const look = existing(container)
  await run('update', container, signal, () => {
    const found = look()
    if (found === undefined) throw unknownToRuntime(id)
    if (found.status === 'stopped') throw notRunning(id)
    if (isEmpty(requested)) return
    const usedBytes = memoryOf(found.usages)
    if (memoryLimitBytes !== unlimited && memoryLimitBytes < usedBytes)
      throw belowUse(memoryLimitBytes, usedBytes)
    found.limits = { ...found.limits, ...withWhatStays(requested, found.limits) }
  })
}

export function stats(
  { existing, clock, run }: Supervision,
  sampling: Sampling,
  container: Container,
  { signal }: EffectOptions,
): Promise<ContainerStats> {
  const look = existing(container)
  return run('stats', container, signal, () => {
    const found = look()
    if (found === undefined) throw notRunning(container.id)
    const atNano = BigInt(Math.round(clock.now() * nanosPerMs))
    const ageNano = (): bigint => BigInt(Math.round(found.ageMs * nanosPerMs))
    const { cpuNano } = found.meter.read()
    const cpu = sampling.cpuPercent(container.id, { cpuNano, atNano, ageNano })
    const systemNano = BigInt(Date.parse(timestampOf(clock))) * BigInt(nanosPerMs)
    return { ...sample(found), cpu, systemNano }
  })
}

function sample(found: SimulatedContainer): Omit<ContainerStats, 'cpu' | 'systemNano'> {
  const { container, limits, meter, process, oomKilled, usages } = found
  const { cpuNano, throttling, ...bytes } = meter.read()
  const memLimit = memoryLimitOf(limits)
  const memUsage = Math.min(memoryOf(usages), memLimit)
  const isNetworkThere = process.alive && hasOwnNetwork(container.spec)
  return {
    container: container.id,
    cpuNano,
    memUsage,
    memLimit,
    memPerc: memUsage / memLimit,
    netInput: isNetworkThere ? bytes.netInputBytes : undefined,
    netOutput: isNetworkThere ? bytes.netOutputBytes : undefined,
    blockInput: bytes.blockInputBytes,
    blockOutput: bytes.blockOutputBytes,
    pids: pidsOf(usages),
    memTotalBytes: memUsage,
    throttling,
    oomKills: oomKilled ? 1 : 0,
    psi: undefined,
  }
}

function memoryLimitOf({ memoryLimitBytes = unlimited }: Limits): number {
  return memoryLimitBytes === unlimited ? hostMemoryBytes : Math.min(memoryLimitBytes, hostMemoryBytes)
}
