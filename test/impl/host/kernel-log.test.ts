import { describe, expect, it } from 'vitest'
import { KernelLog, type LogPosition, type RecordSource } from '../../../src/impl/host/kernel-log.ts'
import { isInitOomKilled } from '../../../src/impl/host/oom-kills.ts'
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
    if (this.closed > 0) throw new Error('EBADF: bad file descriptor, read')
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
    if (this.#fails) throw new Error('EIO: i/o error, close')
  }
}

const killed = (pid: number): string =>
  `Memory cgroup out of memory: Killed process ${pid} (tail) total-vm:1kB`

function open(logger: Logger = silentLogger): { records: Records; log: KernelLog } {
  const records = new Records()
  return { records, log: new KernelLog(logger, () => Promise.resolve(records)) }
}

function warningsInto(warnings: unknown[]): Logger {
  return { ...silentLogger, warn: (fields: unknown) => void warnings.push(fields) }
}

async function endOf(log: KernelLog): Promise<LogPosition> {
  const end = await log.end()
  if (end === undefined) throw new Error('the log has no end')
  return end
}

describe('the kernel’s log', () => {
  it('ends with the newest record, wherever that was read', async () => {
    const { records, log } = open()
    expect(await log.end()).toBeUndefined()
    const first = records.write('one')
    expect(await log.end()).toMatchObject({ sequence: first })
    const end = await endOf(log)
    expect(end.sequence).toBe(first)
    const second = records.write('two')
    await log.tellsOfKill(1, end)
    expect(await log.end()).toEqual({ ...end, sequence: second })
  })

  it('tells of kills behind a place in it, and of those before it no more', async () => {
    const { records, log } = open()
    records.write(killed(7))
    const end = await endOf(log)
    expect(await log.tellsOfKill(7, end)).toBe(false)
    records.write(killed(8))
    records.write(killed(7))
    expect(await log.tellsOfKill(7, end)).toBe(true)
    expect(await log.tellsOfKill(9, end)).toBe(false)
  })

  it('tells nothing of another boot', async () => {
    const { records, log } = open()
    records.write('before')
    const end = await endOf(log)
    records.write(killed(7))
    expect(await log.tellsOfKill(7, { ...end, bootId: 'of-yesterday' })).toBe(false)
    expect(await log.tellsOfKill(7, end)).toBe(true)
  })

  it('is read by one at a time, and no record is read by two', async () => {
    const { records, log } = open()
    records.write('before')
    const end = await endOf(log)
    for (let pid = 10; pid < 30; pid += 1) records.write(killed(pid))
    const { reads } = records
    expect(await Promise.all([10, 15, 29].map((pid) => log.tellsOfKill(pid, end)))).toEqual([
      true,
      true,
      true,
    ])
    // 20 records, and three times that there is no more.
    expect(records.reads - reads).toBe(23)
  })

  it('keeps the last some thousand kills', async () => {
    const { records, log } = open()
    records.write('before')
    const end = await endOf(log)
    for (let pid = 10; pid < 5_010; pid += 1) records.write(killed(pid))
    expect(await log.tellsOfKill(10, end)).toBe(false)
    expect(await log.tellsOfKill(5_009, end)).toBe(true)
  })

  it('is read no further for one question than a log is long', async () => {
    let count = 0
    const endless: RecordSource = {
      read: () => Promise.resolve(`6,${(count += 1)},1,-;flood\n`),
      close: () => Promise.resolve(),
    }
    const log = new KernelLog(silentLogger, () => Promise.resolve(endless))
    expect((await endOf(log)).sequence).toBe(65_536)
  })

  it('is unknown where it cannot be opened, and that is said once', async () => {
    const warnings: unknown[] = []
    const refused = new Error('EPERM: operation not permitted')
    const log = new KernelLog(warningsInto(warnings), () => Promise.reject(refused))
    expect(await log.end()).toBeUndefined()
    expect(await log.end()).toBeUndefined()
    expect(warnings).toEqual([{ file: '/dev/kmsg', err: refused }])
    await log.close()
  })

  it('is given up when reading it fails: it has no end any more, and what was read stays', async () => {
    const warnings: unknown[] = []
    const { records, log } = open(warningsInto(warnings))
    records.write('before')
    const end = await endOf(log)
    records.write(killed(7))
    records.fail()
    expect(await log.tellsOfKill(7, end)).toBe(true)
    expect(records.closed).toBe(1)
    expect(warnings).toHaveLength(1)
    const { reads } = records
    expect(await log.end()).toBeUndefined()
    expect(await log.tellsOfKill(7, end)).toBe(true)
    expect(records.reads).toBe(reads)
  })

  it('is closed after whoever reads has ended', async () => {
    const { records, log } = open()
    records.write('before')
    const end = await endOf(log)
    records.write(killed(7))
    const asking = log.tellsOfKill(7, end)
    await log.close()
    expect(await asking).toBe(true)
    expect(records.closed).toBe(1)
  })

  it('is not opened by a close, nor after it', async () => {
    let opened = 0
    const log = new KernelLog(silentLogger, () => {
      opened += 1
      return Promise.resolve(new Records())
    })
    await log.close()
    expect(await log.end()).toBeUndefined()
    expect(opened).toBe(0)
  })
})

describe('an init that the OOM killer took', () => {
  const init = { pid: 7, startTicks: '1' }

  it('is told of by the log of whoever asks, also of another supervisor', async () => {
    const first = open()
    first.records.write('before')
    const kernelLogEnd = await endOf(first.log)
    const next = open()
    for (const text of ['before', killed(7)]) next.records.write(text)
    expect(await isInitOomKilled({ kernelLog: first.log }, { init, kernelLogEnd })).toBe(false)
    expect(await isInitOomKilled({ kernelLog: next.log }, { init, kernelLogEnd })).toBe(true)
  })

  it('is not asked for where nobody has noted where the log ended, or who init is', async () => {
    const { records, log } = open()
    records.write(killed(7))
    expect(await isInitOomKilled({ kernelLog: log }, { init })).toBe(false)
    const kernelLogEnd = { bootId: 'any', sequence: 0 }
    expect(await isInitOomKilled({ kernelLog: log }, { kernelLogEnd })).toBe(false)
    expect(records.reads).toBe(0)
  })
})
