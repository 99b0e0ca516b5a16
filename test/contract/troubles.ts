/** What happens to a container behind our back: a dead monitor, a KILL by somebody else, no memory left. */
import { describe, expect, it } from 'vitest'
import { ignoresTerm, trapsTerm } from './harness.ts'
import { codeOf, patience, type Stage } from './stage.ts'

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

    it('sees that somebody else started the container', async () => {
      const container = await stage.created({ args: trapsTerm })
      await stage.harness.startInit(container)
      await expect.poll(() => stage.harness.world(container), patience).toBe('running')
      await stage.runtime.updateContainerStatus(container)
      expect(container.status).toBe('running')
      await stage.runtime.pauseContainer(container)
      await expect.poll(() => stage.harness.world(container), patience).toBe('frozen')
      await stage.runtime.unpauseContainer(container)
      await stage.runtime.stopContainer(container, 0)
      expect(container.state.exit).toMatchObject({ kind: 'code', code: 137 })
      await stage.runtime.deleteContainer(container)
      expect(await stage.harness.world(container)).toBe('absent')
    })

    it('does not kill what somebody else has started when it is started once more', async () => {
      const container = await stage.created({ args: ignoresTerm })
      await stage.harness.startInit(container)
      await expect.poll(() => stage.harness.world(container), patience).toBe('running')
      const { pid } = container.state
      await stage.runtime.startContainer(container)
      expect(container.state).toMatchObject({ status: 'running', pid, error: undefined })
      expect(await stage.harness.world(container)).toBe('running')
      await stage.runtime.deleteContainer(container)
    })

    it('tells the exit of a container that was killed before it was started', async () => {
      const container = await stage.created({ args: ignoresTerm })
      const exited = stage.nextEvent(container, 'exited')
      await stage.harness.killInit(container)
      expect(await stage.runtime.waitContainer(container)).toMatchObject({ kind: 'code', code: 137 })
      await exited
      expect(container.state).toMatchObject({ status: 'stopped', started: undefined, error: undefined })
      expect(await codeOf(stage.runtime.startContainer(container))).toBe('ERR_WRONG_STATUS')
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
