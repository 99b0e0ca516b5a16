/** The log of this host's kernel, and a container that its OOM killer takes. */
import { closeSync, constants, openSync, readlinkSync } from 'node:fs'
import { expect, it, onTestFinished } from 'vitest'
import { KernelLog } from '../../../src/impl/host/kernel-log.ts'
import { silentLogger } from '../../../src/surroundings/logger.ts'
import { hostForTest } from '../../e2e/facade-host.ts'

/** Not in a container, and with the right to: what /proc and the system say of it. */
function mayBeRead(): boolean {
  if (readlinkSync('/proc/self/ns/pid') !== 'pid:[4026531836]') return false
  try {
    closeSync(openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK))
    return true
  } catch {
    return false
  }
}

it('tells that a container’s init was killed, where it may be read, and of nobody else', async () => {
  const host = await hostForTest('runc')
  const warnings: unknown[] = []
  const log = new KernelLog({ ...silentLogger, warn: (fields: unknown) => void warnings.push(fields) })
  onTestFinished(() => log.close())
  const before = await log.end()
  const container = await host.create(['/bin/tail', '/dev/zero'], { memoryLimitBytes: 20 * 1024 * 1024 })
  const { pid } = container.state
  await host.runtime.startContainer(container)
  expect(await host.runtime.waitContainer(container)).toMatchObject({ code: 137, oomKilled: true })
  const isReadable = mayBeRead()
  const since = before ?? { bootId: 'none', sequence: 0 }
  expect(before !== undefined).toBe(isReadable)
  expect(warnings).toHaveLength(isReadable ? 0 : 1)
  expect(await log.tellsOfKill(pid, since)).toBe(isReadable)
  expect(await log.tellsOfKill(process.pid, since)).toBe(false)
  expect(await log.tellsOfKill(pid, (await log.end()) ?? since)).toBe(false)
})
