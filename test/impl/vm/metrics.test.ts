import { create } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { MetricsSchema as V1 } from '../../../src/impl/vm/messages/generated/metrics-v1_pb.ts'
import { MetricsSchema as V2 } from '../../../src/impl/vm/messages/generated/metrics-v2_pb.ts'
import { metricsOfV1, metricsOfV2 } from '../../../src/impl/vm/metrics.ts'

describe('metrics of a shim', () => {
  it('of cgroup v1 are what we know them by', () => {
    const metrics = create(V1, {
      pids: { current: 3n },
      cpu: {
        usage: { total: 5_000_000_000n },
        throttling: { periods: 9n, throttledPeriods: 2n, throttledTime: 7n },
      },
      memory: { totalInactiveFile: 100n, usage: { usage: 4096n, limit: 9_223_372_036_854_771_712n } },
      memoryOomControl: { oomKill: 1n },
      blkio: {
        ioServiceBytesRecursive: [
          { op: 'Read', value: 10n },
          { op: 'Write', value: 20n },
          { op: 'Sync', value: 30n },
          { op: 'read', value: 1n },
        ],
      },
    })
    expect(metricsOfV1(metrics)).toEqual({
      counters: {
        cpuNano: 5_000_000_000n,
        throttling: { periods: 9, throttledPeriods: 2, throttledNano: 7n },
        memTotalBytes: 4096,
        inactiveFileBytes: 100,
        // The highest there is means none.
        memLimitBytes: undefined,
        oomKills: 1,
        pids: 3,
        block: { readBytes: 11, writtenBytes: 20 },
      },
      psi: undefined,
      network: undefined,
    })
  })

  it('of cgroup v2 are what we know them by', () => {
    const some = { avg10: 1.5, avg60: 2, avg300: 3, total: 4n }
    const metrics = create(V2, {
      pids: { current: 2n },
      cpu: { usageUsec: 7n, nrPeriods: 1n, nrThrottled: 1n, throttledUsec: 2n, psi: { some, full: some } },
      memory: { inactiveFile: 5n, usage: 50n, usageLimit: 500n },
      memoryEvents: { oomKill: 2n },
      io: {
        usage: [
          { rbytes: 1n, wbytes: 2n },
          { rbytes: 10n, wbytes: 20n },
        ],
      },
      network: [
        { name: 'lo', rxBytes: 99n, txBytes: 99n },
        { name: 'eth0', rxBytes: 3n, txBytes: 4n },
      ],
    })
    const shares = { last10sPercent: 1.5, last60sPercent: 2, last300sPercent: 3, totalUs: 4 }
    expect(metricsOfV2(metrics)).toEqual({
      counters: {
        cpuNano: 7000n,
        throttling: { periods: 1, throttledPeriods: 1, throttledNano: 2000n },
        memTotalBytes: 50,
        inactiveFileBytes: 5,
        memLimitBytes: 500,
        oomKills: 2,
        pids: 2,
        block: { readBytes: 11, writtenBytes: 22 },
      },
      psi: { cpu: { some: shares, full: shares }, memory: undefined, io: undefined },
      network: { receivedBytes: 3, sentBytes: 4 },
    })
  })

  it('are undefined where the shim counts nothing, never zero', () => {
    expect(metricsOfV1(create(V1, {})).counters).toEqual({
      cpuNano: undefined,
      throttling: undefined,
      memTotalBytes: undefined,
      inactiveFileBytes: undefined,
      memLimitBytes: undefined,
      oomKills: undefined,
      pids: undefined,
      block: undefined,
    })
  })
})
