/** The simulated host: what it has, and what a container's spec may use of it. */
import type { OciSpec } from '../../bundle/oci-spec.ts'
import type { Limits } from '../requests/resources.ts'

export const hostMemoryBytes = 8 * 1024 ** 3
export const hostCpus = '0-3'
export const hostMemoryNodes = '0'

/** The limits that the runtime would set at create. What is malformed is the bundle's business, and none. */
export function limitsOfSpec(spec: OciSpec | undefined): Limits {
  const { memory, cpu, pids } = spec?.linux?.resources ?? {}
  return {
    memoryLimitBytes: number(memory?.limit),
    memoryReservationBytes: number(memory?.reservation),
    memorySwapBytes: number(memory?.swap),
    cpuShares: number(cpu?.shares),
    cpuQuotaUs: number(cpu?.quota),
    cpuPeriodUs: number(cpu?.period),
    cpus: text(cpu?.cpus),
    mems: text(cpu?.mems),
    pidsMax: number(pids?.limit),
  }
}

/** Whether its network is its own, or a pod's, and so can be measured. */
export function hasOwnNetwork(spec: OciSpec | undefined): boolean {
  const namespaces = spec?.linux?.namespaces
  return namespaces === undefined || namespaces.some(({ type }) => type === 'network')
}

/** Zero is no limit to the runtimes. */
function number(value: unknown): number | undefined {
  return (typeof value === 'number' || typeof value === 'bigint') && Number(value) !== 0
    ? Number(value)
    : undefined
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
