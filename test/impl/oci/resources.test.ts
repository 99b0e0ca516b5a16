import { describe, expect, it } from 'vitest'
import { limitsOfV1, limitsOfV2, memoryInUse } from '../../../src/impl/oci/limits.ts'
import {
  type Limits,
  parseNumberList,
  requestedLimits,
  toResources,
  withWhatStays,
} from '../../../src/impl/oci/resources.ts'
import { differences } from '../../../src/impl/oci/update.ts'
import type { OciLinuxResources } from '../../../src/bundle/oci-spec.ts'

const MiB = 1024 * 1024

/** Callers without types send anything. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the point of these tests
const untyped = (resources: object) => resources as OciLinuxResources

describe('a request for limits', () => {
  it('is taken when every limit is one', () => {
    const resources = {
      memory: { limit: 64 * MiB, reservation: -1, swap: -1 },
      cpu: { shares: 2, quota: -1, period: 1000, cpus: '0-2,5', mems: '0' },
      pids: { limit: -1 },
    }
    expect(toResources(requestedLimits(resources))).toEqual(resources)
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
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', operation: 'update', field }),
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

describe('limits in cgroups', () => {
  it('are read from v1', () => {
    const texts = new Map([
      ['memory.limit_in_bytes', '67108864'],
      ['memory.memsw.limit_in_bytes', '9223372036854771712'],
      ['cpu.shares', '1024'],
      ['cpu.cfs_quota_us', '-1'],
      ['cpu.cfs_period_us', '100000'],
      ['cpuset.cpus', '0-1'],
      ['cpuset.mems', ''],
      ['pids.max', 'max'],
    ])
    expect(limitsOfV1(texts)).toMatchObject({
      memoryLimitBytes: 64 * MiB,
      memorySwapBytes: -1,
      memoryReservationBytes: undefined,
      cpuShares: 1024,
      cpuQuotaUs: -1,
      cpuPeriodUs: 100_000,
      cpus: '0-1',
      mems: undefined,
      pidsMax: -1,
    })
  })

  it('are read from v2, where swap is counted apart', () => {
    const texts = new Map([
      ['memory.max', '67108864'],
      ['memory.swap.max', '1048576'],
      ['cpu.max', 'max 100000'],
      ['pids.max', '4194304'],
    ])
    expect(limitsOfV2(texts)).toMatchObject({
      memoryLimitBytes: 64 * MiB,
      memorySwapBytes: 65 * MiB,
      cpuQuotaUs: -1,
      cpuPeriodUs: 100_000,
      pidsMax: -1,
    })
    expect(limitsOfV2(new Map([['cpu.max', '30000 100000']])).cpuQuotaUs).toBe(30_000)
    expect(limitsOfV2(new Map([...texts, ['memory.swap.max', 'max']])).memorySwapBytes).toBe(-1)
    expect(limitsOfV2(new Map([['memory.max', '67108864']])).memorySwapBytes).toBeUndefined()
  })

  it('differ from what was wanted only beyond the rounding of the kernel', () => {
    expect(differences({ memoryLimitBytes: 10_000_001 }, { memoryLimitBytes: 9_998_336 })).toEqual([])
    expect(differences({ memoryLimitBytes: 10 * MiB }, { memoryLimitBytes: 12 * MiB })).toHaveLength(1)
    expect(differences({ memoryLimitBytes: -1 }, { memoryLimitBytes: 12 * MiB })).toHaveLength(1)
    expect(differences({ pidsMax: 4_194_304 }, { pidsMax: -1 })).toEqual([])
    expect(differences({ pidsMax: 5 }, { pidsMax: 6 })).toEqual(['pids.limit is 6 and not 5'])
    expect(differences({ cpuQuotaUs: -1 }, { cpuQuotaUs: 5000 })).toHaveLength(1)
    expect(differences({ cpus: '0,1,2' }, { cpus: '0-2' })).toEqual([])
    expect(differences({ cpus: '0' }, { cpus: '0-1' })).toEqual(['cpu.cpus is 0-1 and not 0'])
    expect(differences({ cpus: '0', cpuShares: 5 }, {})).toEqual([])
  })
})

describe('memory in use', () => {
  it('is all of it, and what is left without the file cache', () => {
    const v2 = 'file 30\nshmem 10\ninactive_file 15\nactive_file 5\nslab_reclaimable 3\n'
    expect(memoryInUse('100\n', v2)).toEqual({ totalBytes: 100, unreclaimableBytes: 77 })
    const v1 = 'inactive_file 1\nactive_file 1\ntotal_inactive_file 15\ntotal_active_file 5\n'
    expect(memoryInUse('100\n', v1)).toEqual({ totalBytes: 100, unreclaimableBytes: 80 })
    expect(memoryInUse('100\n', undefined)).toEqual({ totalBytes: 100, unreclaimableBytes: 100 })
    expect(memoryInUse(undefined, v2)).toBeUndefined()
  })
})

describe('a list of numbers', () => {
  it('has them in order and each once', () => {
    expect(parseNumberList('5,0-2,1')).toEqual([0, 1, 2, 5])
    expect(parseNumberList('0')).toEqual([0])
  })
})
