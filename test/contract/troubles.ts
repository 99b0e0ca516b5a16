/** What happens to a container behind our back: a dead monitor, a KILL by somebody else, no memory left. */
import { describe, expect, it } from 'vitest'
import { ignoresTerm } from './harness.ts'
import { patience, type Stage } from './stage.ts'

export function describeTroubles(stage: Stage): void {
  describe('with troubles', () => {
    it('notices that the monitor was killed, and still notices the exit, as unknown', async () => {
      const container = await stage.started({ args: ignoresTerm })
      const lost = stage.nextEvent(container, 'monitorLost')
      await stage.harness.killMonitor(container)
      await lost
      expect(container.status).toBe('running')
      await stage.harness.killInit(container)
      expect(await stage.runtime.waitContainer(container)).toMatchObject({
        kind: 'unknown',
        why: 'monitor-lost',
      })
      expect(container.state.exitCode).toBe(255)
      await stage.runtime.deleteContainer(container)
      expect(await stage.harness.world(container)).toBe('absent')
    })

    it('cleans up a created container whose monitor was killed', async () => {
      const container = await stage.created({ args: ignoresTerm })
      const failed = stage.nextEvent(container, 'failed')
      await stage.harness.killMonitor(container)
      await failed
      expect(container.status).toBe('stopped')
      expect(await stage.harness.world(container)).toBe('absent')
      await stage.runtime.deleteContainer(container)
    })

    it('sees that somebody else killed the container', async () => {
      const container = await stage.started({ args: ignoresTerm })
      await stage.harness.killInit(container)
      // KILL takes a moment; what still runs is not stopped.
      await expect.poll(() => stage.harness.world(container), patience).toBe('dead')
      await stage.runtime.updateContainerStatus(container)
      expect(container.status).toBe('stopped')
      expect(container.state.exit).toMatchObject({ kind: 'code', code: 137 })
      await stage.runtime.deleteContainer(container)
    })

    it('says that the kernel ran out of memory, and says it of nobody else', async () => {
      if (!stage.harness.hasMemoryLimits) throw new Error('this suite needs a host with a memory controller')
      const args = ['/bin/sh', '-c', 'tail /dev/zero']
      const container = await stage.started({
        args: ['/bin/tail', '/dev/zero'],
        memoryLimitBytes: 20 * 1024 * 1024,
      })
      expect(await stage.runtime.waitContainer(container)).toMatchObject({
        kind: 'code',
        code: 137,
        oomKilled: true,
      })
      const killed = await stage.started({ args, memoryLimitBytes: 1024 * 1024 * 1024 })
      await stage.runtime.stopContainer(killed, 0)
      expect(killed.state).toMatchObject({ oomKilled: false })
      await stage.runtime.deleteContainer(container)
      await stage.runtime.deleteContainer(killed)
    })
  })
}
