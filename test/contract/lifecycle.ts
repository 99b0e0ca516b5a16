/** A container's life: created, run, ended, deleted, each step told once. */
import { describe, expect, it } from 'vitest'
import { trapsTerm, ignoresTerm } from './harness.ts'
import { patience, codeOf, type Stage } from './stage.ts'

export function describeLifecycle(stage: Stage): void {
  describe('in its life', () => {
    it('runs a command to its end and reports its exit code', async () => {
      const container = await stage.started({ args: ['/bin/sh', '-c', 'exit 3'] })
      const exit = await stage.runtime.waitContainer(container)
      expect(exit).toMatchObject({ kind: 'code', code: 3, oomKilled: false })
      expect(container.state).toMatchObject({ status: 'stopped', exitCode: 3, pid: 0, durable: true })
      await stage.runtime.deleteContainer(container)
      expect(await stage.harness.world(container)).toBe('absent')
    })

    it('has times that never run backwards, however short it is', async () => {
      for (let count = 0; count < 4; count++) {
        const container = await stage.started({ args: ['/bin/true'] })
        const exit = await stage.runtime.waitContainer(container)
        const { created = '', started = '', finished = '' } = container.state
        expect([created, started, finished].toSorted()).toEqual([created, started, finished])
        expect(finished).toBe(exit.finished)
        await stage.runtime.deleteContainer(container)
      }
    })

    it('keeps a created container waiting until it is started', async () => {
      const container = await stage.created({ args: trapsTerm })
      expect(container.status).toBe('created')
      expect(container.state.pid).toBeGreaterThan(1)
      expect(await stage.harness.world(container)).toBe('created')
      await stage.runtime.startContainer(container)
      expect(container.status).toBe('running')
      await expect.poll(() => stage.harness.world(container), patience).toBe('running')
      await stage.runtime.deleteContainer(container)
    })

    it('reports a command that does not exist, and leaves nothing but the failed container', async () => {
      const container = await stage.harness.makeContainer({ args: ['/no/such/command'] })
      expect(await codeOf(stage.runtime.createContainer(container))).toBe('ERR_COMMAND_NOT_FOUND')
      expect(container.phase).toBe('failed')
      expect(container.state.error).toContain('/no/such/command')
      expect(await stage.harness.world(container)).toBe('absent')
      await stage.runtime.deleteContainer(container)
      expect(stage.runtime.containers.get(container.id)).toBeUndefined()
    })

    it('refuses a second container with a living id and leaves the first alone', async () => {
      const container = await stage.started({ args: ignoresTerm })
      const double = await stage.harness.makeContainer({ args: ignoresTerm, options: { id: container.id } })
      expect(await codeOf(stage.runtime.createContainer(double))).toBe('ERR_CONTAINER_EXISTS')
      expect(await stage.harness.world(container)).toBe('running')
      await stage.runtime.deleteContainer(container)
    })

    it('gives an id free once its container is deleted', async () => {
      const first = await stage.started({ args: ['/bin/true'] })
      await stage.runtime.waitContainer(first)
      await stage.runtime.deleteContainer(first)
      const second = await stage.harness.makeContainer({
        args: ['/bin/sh', '-c', 'exit 4'],
        options: { id: first.id },
      })
      await stage.runtime.createContainer(second)
      await stage.runtime.startContainer(second)
      expect(await stage.runtime.waitContainer(second)).toMatchObject({ code: 4 })
      expect(await stage.runtime.waitContainer(first)).toMatchObject({ code: 0 })
      await stage.runtime.deleteContainer(second)
    })

    it('tells of a life in order, each step once', async () => {
      const container = await stage.harness.makeContainer({ args: ['/bin/true'] })
      const abort = new AbortController()
      const seen: string[] = []
      const watching = (async () => {
        for await (const event of stage.runtime.events({ signal: abort.signal })) {
          if (event.type === 'dropped') throw new Error('events were dropped')
          if (event.containerId === container.id && event.type !== 'phase') seen.push(event.type)
          if (event.containerId === container.id && event.type === 'deleted') return
        }
      })()
      await stage.runtime.createContainer(container)
      await stage.runtime.startContainer(container)
      await stage.runtime.waitContainer(container)
      await stage.runtime.deleteContainer(container)
      await watching
      abort.abort()
      expect(seen).toEqual(['created', 'started', 'exited', 'deleted'])
    })
  })
}
