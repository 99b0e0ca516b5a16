/**
 * What every implementation promises, seen through the façade and checked against the world. Run on the simulated
 * runtime, on crun and on runc; an implementation that is added joins by a file of ten lines.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isOciError, type Container, type ContainerEventType, type Runtime } from '../../src/index.ts'
import { ignoresTerm, trapsTerm, type ContainerRequest, type ContractHarness } from './harness.ts'

const SIGTERM = 15

export function describeContract(name: string, openHarness: () => Promise<ContractHarness>): void {
  describe(`a runtime on ${name}`, () => {
    let harness: ContractHarness
    let runtime: Runtime

    beforeAll(async () => {
      harness = await openHarness()
      runtime = await harness.openRuntime()
    })
    afterAll(async () => {
      await Promise.allSettled(runtime.containers.list().map((left) => runtime.deleteContainer(left)))
      await runtime.close()
      await harness.close()
    })

    async function created(request: ContainerRequest): Promise<Container> {
      const container = await harness.makeContainer(request)
      await runtime.createContainer(container)
      return container
    }
    async function started(request: ContainerRequest): Promise<Container> {
      const container = await created(request)
      await runtime.startContainer(container)
      // The runtime's own init becomes the command a moment after; until then a signal hits the former.
      await expect.poll(() => harness.world(container), { timeout: 20_000 }).not.toBe('created')
      return container
    }

    it('runs a command to its end and reports its exit code', async () => {
      const container = await started({ args: ['/bin/sh', '-c', 'exit 3'] })
      const exit = await runtime.waitContainer(container)
      expect(exit).toMatchObject({ kind: 'code', code: 3, oomKilled: false })
      expect(container.state).toMatchObject({ status: 'stopped', exitCode: 3, pid: 0, durable: true })
      await runtime.deleteContainer(container)
      expect(await harness.world(container)).toBe('absent')
    })

    it('keeps a created container waiting until it is started', async () => {
      const container = await created({ args: trapsTerm })
      expect(container.status).toBe('created')
      expect(container.state.pid).toBeGreaterThan(1)
      expect(await harness.world(container)).toBe('created')
      await runtime.startContainer(container)
      expect(container.status).toBe('running')
      await expect.poll(() => harness.world(container), { timeout: 20_000 }).toBe('running')
      await runtime.deleteContainer(container)
    })

    it('stops a process that handles TERM by TERM', async () => {
      const container = await started({ args: trapsTerm })
      // TERM is lost on a shell that has not come to its trap yet.
      await expect.poll(() => harness.catches(container, SIGTERM), { timeout: 20_000 }).toBe(true)
      await runtime.stopContainer(container, 30)
      expect(container.state.exit).toMatchObject({ kind: 'code', code: 7 })
      await runtime.deleteContainer(container)
    })

    it('kills a process that ignores TERM once its grace is over', async () => {
      const container = await started({ args: ignoresTerm })
      await runtime.stopContainer(container, 0.2)
      expect(container.state.exit).toMatchObject({
        kind: 'code',
        code: 137,
        inferredSignal: 9,
        oomKilled: false,
      })
      await runtime.deleteContainer(container)
    })

    it('lets a later, shorter stop overtake a longer one', async () => {
      const container = await started({ args: ignoresTerm })
      const patient = runtime.stopContainer(container, Number.POSITIVE_INFINITY)
      await runtime.stopContainer(container, 0)
      await patient
      expect(container.status).toBe('stopped')
      await runtime.deleteContainer(container)
    })

    it('freezes and thaws', async () => {
      const container = await started({ args: trapsTerm })
      await runtime.pauseContainer(container)
      expect(container.status).toBe('paused')
      expect(await harness.world(container)).toBe('frozen')
      await runtime.unpauseContainer(container)
      expect(container.status).toBe('running')
      expect(await harness.world(container)).toBe('running')
      await runtime.deleteContainer(container)
    })

    it('stops a paused container', async () => {
      const container = await started({ args: ignoresTerm })
      await runtime.pauseContainer(container)
      await runtime.stopContainer(container, 0)
      expect(container.state.exit).toMatchObject({ kind: 'code', code: 137 })
      await runtime.deleteContainer(container)
    })

    it('stops a container that was never started', async () => {
      const container = await created({ args: trapsTerm })
      await runtime.stopContainer(container, 5)
      expect(container.status).toBe('stopped')
      await runtime.deleteContainer(container)
      expect(await harness.world(container)).toBe('absent')
    })

    it('deletes a running container by force, its exit recorded first', async () => {
      const container = await started({ args: ignoresTerm })
      await runtime.deleteContainer(container)
      expect(await runtime.waitContainer(container)).toMatchObject({ kind: 'code', code: 137 })
      expect(container.phase).toBe('deleted')
      expect(await harness.world(container)).toBe('absent')
    })

    it('refuses to delete a running container without force', async () => {
      const container = await started({ args: ignoresTerm })
      expect(await codeOf(runtime.deleteContainer(container, { force: false }))).toBe('ERR_WRONG_STATUS')
      expect(await harness.world(container)).toBe('running')
      await runtime.deleteContainer(container)
    })

    it('reports a command that does not exist, and leaves nothing but the failed container', async () => {
      const container = await harness.makeContainer({ args: ['/no/such/command'] })
      expect(await codeOf(runtime.createContainer(container))).toBe('ERR_COMMAND_NOT_FOUND')
      expect(container.phase).toBe('failed')
      expect(container.state.error).toContain('/no/such/command')
      expect(await harness.world(container)).toBe('absent')
      await runtime.deleteContainer(container)
      expect(runtime.containers.get(container.id)).toBeUndefined()
    })

    it('refuses a second container with a living id and leaves the first alone', async () => {
      const container = await started({ args: ignoresTerm })
      const double = await harness.makeContainer({ args: ignoresTerm, options: { id: container.id } })
      expect(await codeOf(runtime.createContainer(double))).toBe('ERR_CONTAINER_EXISTS')
      expect(await harness.world(container)).toBe('running')
      await runtime.deleteContainer(container)
    })

    it('gives an id free once its container is deleted', async () => {
      const first = await started({ args: ['/bin/true'] })
      await runtime.waitContainer(first)
      await runtime.deleteContainer(first)
      const second = await harness.makeContainer({
        args: ['/bin/sh', '-c', 'exit 4'],
        options: { id: first.id },
      })
      await runtime.createContainer(second)
      await runtime.startContainer(second)
      expect(await runtime.waitContainer(second)).toMatchObject({ code: 4 })
      expect(await runtime.waitContainer(first)).toMatchObject({ code: 0 })
      await runtime.deleteContainer(second)
    })

    it('sends signals to the init process', async () => {
      const args = ['/bin/sh', '-c', 'trap "exit 9" USR1; while :; do sleep 0.05; done']
      const container = await started({ args })
      // A signal before the trap is set is lost, as for any process: send until it is heard.
      const exit = runtime.waitContainer(container)
      const signals = setInterval(() => {
        void runtime.signalContainer(container, 'SIGUSR1').catch(() => undefined)
      }, 20)
      expect(await exit).toMatchObject({ code: 9 })
      clearInterval(signals)
      expect(await codeOf(runtime.signalContainer(container, 'USR1'))).toBe('ERR_WRONG_STATUS')
      await runtime.deleteContainer(container)
    })

    it('notices that the monitor was killed, and still notices the exit, as unknown', async () => {
      const container = await started({ args: ignoresTerm })
      const lost = nextEvent(runtime, container, 'monitorLost')
      await harness.killMonitor(container)
      await lost
      expect(container.status).toBe('running')
      await harness.killInit(container)
      expect(await runtime.waitContainer(container)).toMatchObject({ kind: 'unknown', why: 'monitor-lost' })
      expect(container.state.exitCode).toBe(255)
      await runtime.deleteContainer(container)
      expect(await harness.world(container)).toBe('absent')
    })

    it('cleans up a created container whose monitor was killed', async () => {
      const container = await created({ args: ignoresTerm })
      const failed = nextEvent(runtime, container, 'failed')
      await harness.killMonitor(container)
      await failed
      expect(container.status).toBe('stopped')
      expect(await harness.world(container)).toBe('absent')
      await runtime.deleteContainer(container)
    })

    it('sees that somebody else killed the container', async () => {
      const container = await started({ args: ignoresTerm })
      await harness.killInit(container)
      // KILL takes a moment; what still runs is not stopped.
      await expect.poll(() => harness.world(container), { timeout: 20_000 }).toBe('dead')
      await runtime.updateContainerStatus(container)
      expect(container.status).toBe('stopped')
      expect(container.state.exit).toMatchObject({ kind: 'code', code: 137 })
      await runtime.deleteContainer(container)
    })

    it('says that the kernel ran out of memory, and says it of nobody else', async () => {
      if (!harness.hasMemoryLimits) throw new Error('this suite needs a host with a memory controller')
      const args = ['/bin/sh', '-c', 'tail /dev/zero']
      const container = await started({
        args: ['/bin/tail', '/dev/zero'],
        memoryLimitBytes: 20 * 1024 * 1024,
      })
      expect(await runtime.waitContainer(container)).toMatchObject({
        kind: 'code',
        code: 137,
        oomKilled: true,
      })
      const killed = await started({ args, memoryLimitBytes: 1024 * 1024 * 1024 })
      await runtime.stopContainer(killed, 0)
      expect(killed.state).toMatchObject({ oomKilled: false })
      await runtime.deleteContainer(container)
      await runtime.deleteContainer(killed)
    })

    it('takes samples and changes limits of a running container, or says that it cannot', async () => {
      const container = await started({ args: ignoresTerm, memoryLimitBytes: 64 * 1024 * 1024 })
      const refusal = harness.canMeasure ? 'undefined' : 'ERR_UNSUPPORTED'
      expect(await codeOf(runtime.updateContainer(container, { pids: { limit: 77 } }))).toBe(refusal)
      expect(await codeOf(runtime.containerStats(container))).toBe(refusal)
      expect(await codeOf(runtime.execSyncContainer(container, ['true'], 20))).toBe(refusal)
      await runtime.deleteContainer(container)
      expect(await codeOf(runtime.containerStats(container))).toBe('ERR_NOT_FOUND')
    })

    it('tells of a life in order, each step once', async () => {
      const container = await harness.makeContainer({ args: ['/bin/true'] })
      const abort = new AbortController()
      const seen: string[] = []
      const watching = (async () => {
        for await (const event of runtime.events({ signal: abort.signal })) {
          if (event.type === 'dropped') throw new Error('events were dropped')
          if (event.containerId === container.id && event.type !== 'phase') seen.push(event.type)
          if (event.containerId === container.id && event.type === 'deleted') return
        }
      })()
      await runtime.createContainer(container)
      await runtime.startContainer(container)
      await runtime.waitContainer(container)
      await runtime.deleteContainer(container)
      await watching
      abort.abort()
      expect(seen).toEqual(['created', 'started', 'exited', 'deleted'])
    })
  })
}

/** Resolves at the next event of that type of the container. */
async function nextEvent(runtime: Runtime, container: Container, type: ContainerEventType): Promise<void> {
  const events = runtime.events({ filter: { ids: [container.id], types: [type] } })
  for await (const event of events) if (event.type === type) return
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return isOciError(error) ? error.code : String(error)
}
