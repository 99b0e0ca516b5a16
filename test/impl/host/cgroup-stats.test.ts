import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { keyedCounter } from '../../../src/impl/host/cgroup-stats.ts'
import { cgroupStatsV1, filesOfV1 } from '../../../src/impl/host/cgroup-stats-v1.ts'
import { cgroupStatsV2, filesOfV2, parsePressure } from '../../../src/impl/host/cgroup-stats-v2.ts'
import { parseNetworkBytes } from '../../../src/impl/host/network-bytes.ts'
import { parseProcessIo } from '../../../src/impl/host/process-io.ts'

/** Of a real container on v1, and of v2 in the forms that the kernel documents; the pressure files are real. */
function fixtures(version: 'cgroup-v1' | 'cgroup-v2'): Map<string, string> {
  const directory = join(import.meta.dirname, 'fixtures', version)
  return new Map(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'utf8')]))
}

const nothing = {
  cpuNano: undefined,
  throttling: undefined,
  memTotalBytes: undefined,
  inactiveFileBytes: undefined,
  memLimitBytes: undefined,
  oomKills: undefined,
  pids: undefined,
  block: undefined,
}

describe('the counters of cgroup v1', () => {
  it('are read from one file per counter', () => {
    const texts = fixtures('cgroup-v1')
    expect(filesOfV1.filter(([name]) => !texts.has(name))).toEqual([])
    expect(cgroupStatsV1(texts)).toEqual({
      cpuNano: 600_101_407n,
      throttling: { periods: 32, throttledPeriods: 27, throttledNano: 1_636_942_053n },
      memTotalBytes: 23_511_040,
      inactiveFileBytes: 2_002_944,
      memLimitBytes: 67_108_864,
      oomKills: 1,
      pids: 1,
      // "Total 0" alone: this kernel does not count.
      block: undefined,
    })
  })

  it('add up what all devices read and wrote', () => {
    const text = '8:0 Read 100\n8:0 Write 20\n8:0 Sync 120\n8:16 Read 1\n8:16 Write 2\nTotal 123\n'
    expect(cgroupStatsV1(new Map([['blkio.throttle.io_service_bytes_recursive', text]])).block).toEqual({
      readBytes: 101,
      writtenBytes: 22,
    })
  })

  it('are exact beyond what a double holds', () => {
    expect(cgroupStatsV1(new Map([['cpuacct.usage', '9007199254740993\n']])).cpuNano).toBe(
      9_007_199_254_740_993n,
    )
  })

  it('are unknown, not zero, where there are no files or other words in them', () => {
    expect(cgroupStatsV1(new Map())).toEqual(nothing)
    expect(cgroupStatsV1(new Map(filesOfV1.map(([name]) => [name, 'nonsense\n-1\n'])))).toEqual(nothing)
  })
})

describe('the counters of cgroup v2', () => {
  it('are read from the files of one directory', () => {
    const texts = fixtures('cgroup-v2')
    expect(filesOfV2.filter(([name]) => !texts.has(name))).toEqual([])
    expect(cgroupStatsV2(texts)).toEqual({
      cpuNano: 2_375_109_000n,
      throttling: { periods: 120, throttledPeriods: 45, throttledNano: 3_172_044_000n },
      memTotalBytes: 33_554_432,
      inactiveFileBytes: 6_291_456,
      memLimitBytes: 67_108_864,
      oomKills: 2,
      pids: 7,
      block: { readBytes: 94_208, writtenBytes: 1_347_584 },
    })
  })

  it('have no throttling where the CPU controller is off, and no limit at "max"', () => {
    const texts = new Map([
      ['cpu.stat', 'usage_usec 5\nuser_usec 3\nsystem_usec 2\n'],
      ['memory.max', 'max\n'],
    ])
    expect(cgroupStatsV2(texts)).toEqual({ ...nothing, cpuNano: 5000n })
  })

  it('have read and written nothing when io.stat is empty, and who knows what when it is not there', () => {
    expect(cgroupStatsV2(new Map([['io.stat', '']])).block).toEqual({ readBytes: 0, writtenBytes: 0 })
    expect(cgroupStatsV2(new Map())).toEqual(nothing)
  })
})

describe('pressure', () => {
  it('is what some and what all waited for', () => {
    expect(parsePressure(fixtures('cgroup-v2').get('memory.pressure'))).toEqual({
      some: { last10sPercent: 0.97, last60sPercent: 0.24, last300sPercent: 0.05, totalUs: 174_504 },
      full: { last10sPercent: 0.97, last60sPercent: 0.24, last300sPercent: 0.05, totalUs: 174_504 },
    })
  })

  it('has no "full" of the CPU on older kernels', () => {
    const pressure = parsePressure('some avg10=1.00 avg60=0.50 avg300=0.10 total=9\n')
    expect(pressure?.some.totalUs).toBe(9)
    expect(pressure?.full).toBeUndefined()
  })

  it('is unknown where there is none', () => {
    expect(parsePressure(undefined)).toBeUndefined()
    expect(parsePressure('')).toBeUndefined()
  })
})

describe('a flat keyed file', () => {
  it('is read by the whole key, at its begin, in its middle and at its end', () => {
    const text = 'file 1\ninactive_file 2\nfile_dirty 3'
    expect(
      ['file', 'inactive_file', 'file_dirty', 'inactive', 'dirty'].map((key) => keyedCounter(text, key)),
    ).toEqual([1, 2, 3, undefined, undefined])
  })
})

describe('network traffic', () => {
  const heading = [
    'Inter-|   Receive                                                |  Transmit',
    ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
  ]

  it('is the sum of all interfaces but the loopback', () => {
    const text = [
      ...heading,
      '    lo:     500       5    0    0    0     0          0         0      500       5    0    0    0     0       0          0',
      '  eth0:    1000      10    1    2    3     4          5         6     2000      20    0    0    0     0       0          0',
      'eth0:1:1234567890123 10    0    0    0     0          0         0        7      20    0    0    0     0       0          0',
      '',
    ].join('\n')
    expect(parseNetworkBytes(text)).toEqual({ receivedBytes: 1_234_567_891_123, sentBytes: 2007 })
  })

  it('is none where there is only the loopback, and unknown where there is no file', () => {
    expect(parseNetworkBytes(`${heading.join('\n')}\n    lo: 5 5 0 0 0 0 0 0 5 5 0 0 0 0 0 0\n`)).toEqual({
      receivedBytes: 0,
      sentBytes: 0,
    })
    expect(parseNetworkBytes(undefined)).toBeUndefined()
  })
})

describe('block I/O of a process', () => {
  it('is what it caused, less what was deleted in time', () => {
    const text =
      'rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 12288\ncancelled_write_bytes: 8192\n'
    expect(parseProcessIo(text)).toEqual({ readBytes: 4096, writtenBytes: 4096 })
    expect(parseProcessIo(undefined)).toBeUndefined()
  })
})
