import { describe, expect, it } from 'vitest'
import { KernelLog, type RecordSource } from '../../../src/impl/host/kernel-log.ts'
import { type Logger, silentLogger } from '../../../src/surroundings/logger.ts'

/** A log that grows when the test says so. */
class Records implements RecordSource {
  readonly #lines: string[] = []
  #sequence = 100
  #fails = false
  closed = 0
  reads = 0

  write(text: string): number {
    this.#sequence += 1
    this.#lines.push(`6,${this.#sequence},1,-;${text}\n`)
    return this.#sequence
  }

  async read(): Promise<string | undefined> {
    this.reads += 1
    await Promise.resolve()
    const line = this.#lines.shift()
    if (line === undefined && this.#fails) throw new Error('EIO: i/o error, read')
    return line
  }

  fail(): void {
    this.#fails = true
  }

  async close(): Promise<void> {
    this.closed += 1
    await Promise.resolve()
  }
}

const killed = (pid: number): string =>
  `Memory cgroup out of memory: Killed process ${pid} (tail) total-vm:1kB`
const init = (initPid: number) => ({ initPid, cgroupPath: undefined })

function open(): { records: Records; log: KernelLog } {
  const records = new Records()
  return { records, log: new KernelLog(silentLogger, () => Promise.resolve(records)) }
}

describe('the kernel’s log', () => {
  it('ends with the newest record, wherever that was read', async () => {
    const { records, log } = open()
    expect(await log.end()).toBeUndefined()
    const first = records.write('one')
    expect(await log.end()).toBe(first)
    expect(await log.end()).toBe(first)
    const second = records.write('two')
    await log.countKills(0, init(1))
    expect(await log.end()).toBe(second)
  })

  it('tells of kills after a record, and of those before it no more', async () => {
    const { records, log } = open()
    records.write(killed(7))
    const end = (await log.end()) ?? 0
    expect(await log.countKills(end, init(7))).toBe(0)
    records.write(killed(8))
    records.write(killed(7))
    expect(await log.countKills(end, init(7))).toBe(1)
    expect(await log.countKills(end, init(9))).toBe(0)
    expect(await log.countKills(0, init(7))).toBe(2)
  })

  it('is read by one at a time, and no record is read by two', async () => {
    const { records, log } = open()
    const end = records.write('before')
    for (let pid = 10; pid < 30; pid += 1) records.write(killed(pid))
    const counts = await Promise.all([10, 15, 29].map((pid) => log.countKills(end, init(pid))))
    expect(counts).toEqual([1, 1, 1])
    // 21 records, and three times that there is no more.
    expect(records.reads).toBe(24)
  })

  it('keeps the last some thousand kills', async () => {
    const { records, log } = open()
    for (let pid = 10; pid < 5_010; pid += 1) records.write(killed(pid))
    expect(await log.countKills(0, init(10))).toBe(0)
    expect(await log.countKills(0, init(5_009))).toBe(1)
  })

  it('is unknown where it cannot be read, and that is said once', async () => {
    const warnings: unknown[] = []
    const logger: Logger = { ...silentLogger, warn: (fields: unknown) => void warnings.push(fields) }
    const refused = new Error('EPERM: operation not permitted')
    const log = new KernelLog(logger, () => Promise.reject(refused))
    expect(await log.end()).toBeUndefined()
    expect(await log.countKills(0, init(7))).toBe(0)
    expect(warnings).toEqual([{ file: '/dev/kmsg', err: refused }])
    await log.close()
  })

  it('is given up when reading it fails, and what was read stays', async () => {
    const { records, log } = open()
    const end = records.write('before')
    records.write(killed(7))
    records.fail()
    expect(await log.countKills(end, init(7))).toBe(1)
    expect(records.closed).toBe(1)
    const { reads } = records
    expect(await log.countKills(end, init(7))).toBe(1)
    expect(records.reads).toBe(reads)
  })

  it('is closed after whoever reads has ended, and not opened by a close', async () => {
    const { records, log } = open()
    records.write(killed(7))
    const counting = log.countKills(0, init(7))
    await log.close()
    expect(await counting).toBe(1)
    expect(records.closed).toBe(1)
    const untouched = new KernelLog(silentLogger, () => Promise.reject(new Error('opened')))
    await untouched.close()
    expect(await untouched.end()).toBeUndefined()
  })
})
