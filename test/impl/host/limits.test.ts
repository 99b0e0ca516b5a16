import { describe, expect, it } from 'vitest'
import { limitsOfV1, limitsOfV2, memoryInUse } from '../../../src/impl/host/limits.ts'
import { differences } from '../../../src/impl/host/change-limits.ts'

const MiB = 1024 * 1024

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
