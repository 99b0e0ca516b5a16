/**
 * Containers that run out of memory, and others that do not. "Out of memory" is said by evidence and of nobody else: it
 * takes a witness (the kernel's counter, its log where systemd has removed the cgroup, conmon's file), and what that tells
 * has to belong to this exit. A code of 137 is no evidence.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CgroupManager } from '../../src/config/config.ts'
import type { Container } from '../../src/index.ts'
import {
  inLanes,
  openFacadeHost,
  signalFromOutside,
  type FacadeHost,
  type RuntimeName,
} from './facade-host.ts'
import { until } from './oci-host.ts'

const MiB = 1024 * 1024
const SIGKILL = 9
const memoryLimitBytes = 20 * MiB
const eatsMemory = ['/bin/tail', '/dev/zero']

export function describeOom(handler: RuntimeName, cgroupManager: CgroupManager): void {
  describe(`a container with a memory limit on ${handler}, cgroups by ${cgroupManager}`, () => {
    let host: FacadeHost
    beforeAll(async () => {
      host = await openFacadeHost(handler, { config: { cgroupManager } })
    })
    afterAll(() => host.close())

    /** A shell whose child the OOM killer takes, and that tells so, then goes on by the rest of the script. */
    async function losesItsChild(rest: string): Promise<Container> {
      const script = `/bin/tail /dev/zero; echo survived; ${rest}`
      const container = await host.start(['/bin/sh', '-c', script], { memoryLimitBytes })
      await until(
        'the child was killed and the shell lives',
        () => existsSync(container.logPath) && readFileSync(container.logPath, 'utf8').includes('survived'),
      )
      return container
    }

    async function exitOf(container: Container) {
      const exit = await host.runtime.waitContainer(container)
      await host.runtime.deleteContainer(container)
      return exit
    }

    it('is out of memory when the kernel killed its init for that', async () => {
      const container = await host.start(eatsMemory, { memoryLimitBytes })
      expect(await exitOf(container)).toMatchObject({ kind: 'code', code: 137, oomKilled: true })
      expect(container.state.oomKilled).toBe(true)
    })

    it('is out of memory twenty times in twenty', async () => {
      const exits = await inLanes(20, 4, async () =>
        exitOf(await host.start(eatsMemory, { memoryLimitBytes })),
      )
      expect(exits.map((exit) => exit.oomKilled)).toEqual(Array.from({ length: 20 }, () => true))
    })

    it('is not out of memory when we killed it', async () => {
      const container = await host.run(['/bin/sleep', '1000'], { memoryLimitBytes })
      await host.runtime.stopContainer(container, 0)
      expect(await exitOf(container)).toMatchObject({ code: 137, oomKilled: false })
    })

    it('is not out of memory when somebody else killed it', async () => {
      const container = await host.run(['/bin/sleep', '1000'], { memoryLimitBytes })
      signalFromOutside(container.state.pid, SIGKILL)
      expect(await exitOf(container)).toMatchObject({ code: 137, oomKilled: false })
    })

    it('is not out of memory when it says 137 itself', async () => {
      const container = await host.start(['/bin/sh', '-c', 'exit 137'], { memoryLimitBytes })
      expect(await exitOf(container)).toMatchObject({ code: 137, inferredSignal: 9, oomKilled: false })
    })

    it('is not out of memory when it lost a child to that and ended well', async () => {
      const container = await losesItsChild('exit 0')
      expect(await exitOf(container)).toMatchObject({ code: 0, oomKilled: false })
    })

    it('is not out of memory when it lost a child to that and was stopped later', async () => {
      const container = await losesItsChild('while :; do sleep 1; done')
      await host.runtime.stopContainer(container, 0)
      expect(await exitOf(container)).toMatchObject({ code: 137, oomKilled: false })
    })

    it('is out of memory when that ends it in the grace of a stop', async () => {
      const marker = `${host.rootfs}/tmp/eat-${handler}`
      const wait = `while [ ! -e /tmp/eat-${handler} ]; do sleep 0.05; done; exec /bin/tail /dev/zero`
      const container = await host.start(['/bin/sh', '-c', wait], { memoryLimitBytes })
      const stop = host.runtime.stopContainer(container, 600)
      writeFileSync(marker, '')
      await stop
      expect(await exitOf(container)).toMatchObject({ code: 137, oomKilled: true })
    })
  })
}
