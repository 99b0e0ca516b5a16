import { describe, expect, it } from 'vitest'
import {
  checkOnline,
  type Limits,
  parseNumberList,
  requestedLimits,
  toResources,
  withWhatStays,
} from '../../../src/impl/requests/resources.ts'
import type { OciLinuxResources } from '../../../src/bundle/oci-spec.ts'

const MiB = 1024 * 1024

/** Callers without types send anything. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the point of these tests
const untyped = (resources: object) => resources as OciLinuxResources

describe('a request for limits', () => {
  it('is refused for memory beyond what a number can say', () => {
    const limit = 2n ** 62n
    expect(() => requestedLimits({ memory: { limit } })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'memory.limit' }),
    )
  })

  it('is taken when every limit is one', () => {
    const resources = {
      memory: { limit: 64 * MiB, reservation: -1, swap: -1 },
      cpu: { shares: 2, quota: -1, period: 1000, cpus: '0-2,5', mems: '0' },
      pids: { limit: -1 },
    }
    expect(toResources(requestedLimits(resources))).toEqual(resources)
    const big = { memory: { limit: BigInt(64 * MiB), swap: -1n }, pids: { limit: 5n }, cpu: { quota: -1n } }
    expect(requestedLimits(big)).toEqual({
      memoryLimitBytes: 64 * MiB,
      memorySwapBytes: -1,
      pidsMax: 5,
      cpuQuotaUs: -1,
    })
    expect(requestedLimits({})).toEqual({})
    expect(toResources({})).toEqual({})
  })

  it.each([
    [{ memory: { limit: -5 } }, 'memory.limit'],
    [{ memory: { limit: 0 } }, 'memory.limit'],
    [{ memory: { limit: Number.NaN } }, 'memory.limit'],
    [{ memory: { limit: 1.5 } }, 'memory.limit'],
    [{ memory: { limit: Infinity } }, 'memory.limit'],
    [{ memory: { limit: 2 ** 60 } }, 'memory.limit'],
    [{ memory: { limit: '64m' } }, 'memory.limit'],
    [{ memory: { reservation: -2 } }, 'memory.reservation'],
    [{ memory: { swap: -2 } }, 'memory.swap'],
    [{ memory: { limit: 64 * MiB, swap: 32 * MiB } }, 'memory.swap'],
    [{ memory: { limit: -1, swap: 32 * MiB } }, 'memory.swap'],
    [{ memory: null }, 'memory'],
    [{ cpu: { shares: 1 } }, 'cpu.shares'],
    [{ cpu: { shares: 262_145 } }, 'cpu.shares'],
    [{ cpu: { quota: 0 } }, 'cpu.quota'],
    [{ cpu: { quota: 999 } }, 'cpu.quota'],
    [{ cpu: { period: -1 } }, 'cpu.period'],
    [{ cpu: { period: 1_000_001 } }, 'cpu.period'],
    [{ cpu: { cpus: '' } }, 'cpu.cpus'],
    [{ cpu: { cpus: '2-0' } }, 'cpu.cpus'],
    [{ cpu: { cpus: '0,' } }, 'cpu.cpus'],
    [{ cpu: { cpus: '0-99999999999' } }, 'cpu.cpus'],
    [{ cpu: { cpus: 0 } }, 'cpu.cpus'],
    [{ cpu: { mems: 'a' } }, 'cpu.mems'],
    [{ pids: { limit: 0 } }, 'pids.limit'],
    [{ pids: { limit: -2 } }, 'pids.limit'],
    [{ pids: { limit: 4_194_305 } }, 'pids.limit'],
    [{ pids: [] }, 'pids'],
  ])('is refused when it is %j', (resources, field) => {
    expect(() => requestedLimits(untyped(resources))).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field }),
    )
  })

  it.each([
    [{ devices: [] }, 'devices'],
    [{ hugepageLimits: [] }, 'hugepageLimits'],
    [{ memory: { swappiness: 5 } }, 'memory.swappiness'],
    [{ cpu: { constructor: 5 } }, 'cpu.constructor'],
    [{ constructor: {} }, 'constructor'],
  ])('is refused when it has what an update cannot change: %j', (resources, field) => {
    expect(() => requestedLimits(untyped(resources))).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED', field }),
    )
  })
})

const swap = (wanted: Limits, before: Limits) => withWhatStays(wanted, before).memorySwapBytes

describe('what stays', () => {
  const now = { memoryLimitBytes: 32, memorySwapBytes: 40, cpuQuotaUs: 50_000, cpuPeriodUs: 200_000 }

  it('is the swap that is allowed beside the memory', () => {
    expect(swap({ memoryLimitBytes: 64 }, now)).toBe(72)
    expect(swap({ memoryLimitBytes: 16 }, now)).toBe(24)
    expect(swap({ memoryLimitBytes: -1 }, now)).toBe(-1)
    expect(swap({ memoryLimitBytes: 64, memorySwapBytes: 65 }, now)).toBe(65)
    expect(swap({ memoryLimitBytes: 64 }, { ...now, memorySwapBytes: -1 })).toBeUndefined()
    expect(swap({ memoryLimitBytes: 64 }, { memoryLimitBytes: 32 })).toBeUndefined()
    expect(swap({ pidsMax: 5 }, now)).toBeUndefined()
  })

  it('is the other half of quota and period', () => {
    expect(withWhatStays({ cpuQuotaUs: 1000 }, now)).toEqual({ cpuQuotaUs: 1000, cpuPeriodUs: 200_000 })
    expect(withWhatStays({ cpuPeriodUs: 1000 }, now)).toEqual({ cpuQuotaUs: 50_000, cpuPeriodUs: 1000 })
    expect(withWhatStays({ cpuPeriodUs: 1000 }, { ...now, cpuQuotaUs: -1 })).toEqual({ cpuPeriodUs: 1000 })
    expect(withWhatStays({ cpuQuotaUs: -1 }, now)).toEqual({ cpuQuotaUs: -1 })
  })
})

describe('a list of numbers', () => {
  it('has to be among those that the host has, if the host says', () => {
    expect(() => checkOnline('cpu.cpus', '0-2', '0-1')).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'cpu.cpus' }),
    )
    expect(() => checkOnline('cpu.cpus', '1,0', '0-1')).not.toThrow()
    expect(() => checkOnline('cpu.cpus', '7', '')).not.toThrow()
  })

  it('has them in order and each once', () => {
    expect(parseNumberList('5,0-2,1')).toEqual([0, 1, 2, 5])
    expect(parseNumberList('0')).toEqual([0])
  })
})
