/** The log of this host's kernel, and containers that its OOM killer takes. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { parseCgroupPaths } from '../../../src/impl/host/cgroups.ts'
import { KernelLog } from '../../../src/impl/host/kernel-log.ts'
import type { OomVictims } from '../../../src/impl/host/oom-records.ts'
import { silentLogger } from '../../../src/surroundings/logger.ts'
import { hostForTest } from '../../e2e/facade-host.ts'

/** The kernel names the group in ten kills of this time, and in the others only the process. */
const ratePeriodMs = 5_000

it('a kill is in the log once, by the container’s init and by its memory cgroup', async () => {
  const host = await hostForTest('runc')
  const log = new KernelLog(silentLogger)
  onTestFinished(() => log.close())

  const killOne = async (): Promise<{ before: number; victims: Required<OomVictims> }> => {
    const container = await host.create(['/bin/tail', '/dev/zero'], { memoryLimitBytes: 20 * 1024 * 1024 })
    const { pid } = container.state
    const paths = parseCgroupPaths(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))
    const before = await log.end()
    await host.runtime.startContainer(container)
    expect(await host.runtime.waitContainer(container)).toMatchObject({ code: 137, oomKilled: true })
    if (before === undefined) throw new Error('this suite needs a kernel whose log root can read')
    return { before, victims: { initPid: pid, cgroupPath: paths['memory'] ?? paths[''] } }
  }

  let killed = await killOne()
  const byGroup = (): Promise<number> =>
    log.countKills(killed.before, { ...killed.victims, initPid: undefined })
  for (let tries = 1; tries < 4 && (await byGroup()) === 0; tries += 1) {
    await sleep(ratePeriodMs)
    killed = await killOne()
  }
  expect(await byGroup()).toBe(1)
  expect(await log.countKills(killed.before, { ...killed.victims, cgroupPath: undefined })).toBe(1)
  expect(await log.countKills(killed.before, killed.victims)).toBe(1)
  const others = { initPid: 1, cgroupPath: '/of-somebody-else' }
  expect(await log.countKills(killed.before, others)).toBe(0)
  expect(await log.countKills((await log.end()) ?? 0, killed.victims)).toBe(0)
})
