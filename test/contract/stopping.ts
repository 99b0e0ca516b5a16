/** Ends that are asked for: signals, stops, deletes, and the freezer in between. */
import { describe, expect, it } from 'vitest'
import { ignoresTerm, trapsTerm } from './harness.ts'
import { patience, codeOf, type Stage } from './stage.ts'

const SIGUSR1 = 10
const SIGTERM = 15

export function describeStopping(stage: Stage): void {
  describe('that is to end', () => {
    it('stops a process that handles TERM by TERM', async () => {
      const container = await stage.started({ args: trapsTerm })
      // TERM is lost on a shell that has not come to its trap yet.
      await expect.poll(() => stage.harness.catches(container, SIGTERM), patience).toBe(true)
      await stage.runtime.stopContainer(container, 30)
      expect(container.state.exit).toMatchObject({ kind: 'code', code: 7 })
      await stage.runtime.deleteContainer(container)
    })

    it('kills a process that ignores TERM once its grace is over', async () => {
      const container = await stage.started({ args: ignoresTerm })
      await stage.runtime.stopContainer(container, 0.2)
      expect(container.state.exit).toMatchObject({
        kind: 'code',
        code: 137,
        inferredSignal: 9,
        oomKilled: false,
      })
      await stage.runtime.deleteContainer(container)
    })

    it('lets a later, shorter stop overtake a longer one', async () => {
      const container = await stage.started({ args: ignoresTerm })
      const patient = stage.runtime.stopContainer(container, Number.POSITIVE_INFINITY)
      await stage.runtime.stopContainer(container, 0)
      await patient
      expect(container.status).toBe('stopped')
      await stage.runtime.deleteContainer(container)
    })

    it('freezes and thaws', async () => {
      const container = await stage.started({ args: trapsTerm })
      // Some runtimes return while the kernel is still freezing, and that is not seen every time.
      for (let turn = 0; turn < 5; turn += 1) {
        await stage.runtime.pauseContainer(container)
        expect(container.status).toBe('paused')
        expect(await stage.harness.world(container)).toBe('frozen')
        await stage.runtime.unpauseContainer(container)
        expect(container.status).toBe('running')
        expect(await stage.harness.world(container)).toBe('running')
      }
      await stage.runtime.deleteContainer(container)
    })

    it('stops a paused container', async () => {
      const container = await stage.started({ args: ignoresTerm })
      await stage.runtime.pauseContainer(container)
      await stage.runtime.stopContainer(container, 0)
      expect(container.state.exit).toMatchObject({ kind: 'code', code: 137 })
      await stage.runtime.deleteContainer(container)
    })

    it('stops a container that was never started', async () => {
      const container = await stage.created({ args: trapsTerm })
      await stage.runtime.stopContainer(container, 5)
      expect(container.status).toBe('stopped')
      await stage.runtime.deleteContainer(container)
      expect(await stage.harness.world(container)).toBe('absent')
    })

    it('deletes a running container by force, its exit recorded first', async () => {
      const container = await stage.started({ args: ignoresTerm })
      await stage.runtime.deleteContainer(container)
      expect(await stage.runtime.waitContainer(container)).toMatchObject({ kind: 'code', code: 137 })
      expect(container.phase).toBe('deleted')
      expect(await stage.harness.world(container)).toBe('absent')
    })

    it('refuses to delete a running container without force, also while it is being stopped', async () => {
      const container = await stage.started({ args: ignoresTerm })
      expect(await codeOf(stage.runtime.deleteContainer(container, { force: false }))).toBe(
        'ERR_WRONG_STATUS',
      )
      expect(await stage.harness.world(container)).toBe('running')
      const stop = stage.runtime.stopContainer(container, Number.POSITIVE_INFINITY)
      expect(await codeOf(stage.runtime.deleteContainer(container, { force: false }))).toBe(
        'ERR_WRONG_STATUS',
      )
      await stage.runtime.deleteContainer(container)
      await stop
    })

    it('sends signals to the init process', async () => {
      const args = ['/bin/sh', '-c', 'trap "exit 9" USR1; while :; do sleep 0.05; done']
      const container = await stage.started({ args })
      // A signal before the trap is set is lost, as for any process.
      await expect.poll(() => stage.harness.catches(container, SIGUSR1), patience).toBe(true)
      await stage.runtime.signalContainer(container, 'SIGUSR1')
      expect(await stage.runtime.waitContainer(container)).toMatchObject({ code: 9 })
      expect(await codeOf(stage.runtime.signalContainer(container, 'USR1'))).toBe('ERR_WRONG_STATUS')
      await stage.runtime.deleteContainer(container)
    })
  })
}
