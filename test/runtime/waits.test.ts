import { describe, expect, it } from 'vitest'
import type { ContainerOperation } from '../../src/index.ts'
import { openStage, refusalOf, standing, deaf } from './stage.ts'
import { ways } from './ways.ts'

describe('waitContainer', () => {
  it('answers the same before the exit, after it and after the deletion', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started({ runsForMs: 50, exitCode: 3 })
    const before = runtime.waitContainer(container)
    const exit = await clock.runUntil(before)
    expect(exit).toMatchObject({ kind: 'code', code: 3, finished: container.state.finished })
    expect(await runtime.waitContainer(container)).toEqual(exit)
    await runtime.deleteContainer(container)
    expect(await runtime.waitContainer(container)).toEqual(exit)
  })

  it('is not held up by a delete that is under way', async () => {
    const stage = await openStage()
    const container = await ways.deleting(stage)
    expect(await stage.runtime.waitContainer(container)).toMatchObject({ code: 137 })
  })

  it('resolves for who waited when the container was deleted by force', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started(deaf)
    const wait = runtime.waitContainer(container)
    await clock.runUntil(runtime.deleteContainer(container))
    expect(await wait).toMatchObject({ code: 137 })
  })

  it("rejects with the create's error when that fails, also late and after the deletion", async () => {
    const { sim, runtime, clock, describe: describeContainer } = await openStage()
    const container = describeContainer()
    sim.inject(container.id, { effect: 'create', fault: 'fail' })
    const create = refusalOf(runtime.createContainer(container))
    const early = refusalOf(runtime.waitContainer(container))
    const error = await clock.runUntil(create)
    expect(error.code).toBe('ERR_CREATE_FAILED')
    expect(await early).toBe(error)
    expect(await refusalOf(runtime.waitContainer(container))).toBe(error)
    await runtime.deleteContainer(container)
    expect(await refusalOf(runtime.waitContainer(container))).toBe(error)
  })

  it('tells apart a deleted container and the one that has its id now', async () => {
    const { runtime, clock, started } = await openStage()
    const old = await started({ exitCode: 1, runsForMs: 0 })
    await clock.runUntil(runtime.waitContainer(old))
    await runtime.deleteContainer(old)
    const next = await started({ exitCode: 2, runsForMs: 10 }, { id: old.id })
    expect(await runtime.waitContainer(old)).toMatchObject({ code: 1 })
    expect(old).toMatchObject({ phase: 'deleted', status: 'stopped' })
    expect(await clock.runUntil(runtime.waitContainer(next))).toMatchObject({ code: 2 })
    expect((await refusalOf(runtime.stopContainer(old, 0))).code).toBe('ERR_NOT_FOUND')
    expect(next.phase).toBe('stopped')
  })

  it('of a start that failed tells that, and that no exit was', async () => {
    const { sim, runtime, created, told } = await openStage()
    const container = await created()
    sim.inject(container.id, { effect: 'start', fault: 'fail' })
    expect((await refusalOf(runtime.startContainer(container))).code).toBe('ERR_RUNTIME_FAILED')
    expect(await runtime.waitContainer(container)).toMatchObject({ kind: 'unknown', why: 'start-failed' })
    expect(told(container)).toEqual(['created', 'failed'])
    const { created: createdAt, started, finished, error } = container.state
    expect([started, finished]).toEqual([createdAt, createdAt])
    expect(error).toContain('start')
  })
})

describe('waitContainerStateStopped', () => {
  it('gives up after half a minute, and leaves no timer', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started()
    const wait = refusalOf(runtime.waitContainerStateStopped(container))
    const { code, message, operation } = await clock.runUntil(wait)
    expect({ code, operation }).toEqual({ code: 'ERR_TIMEOUT', operation: 'waitContainerStateStopped' })
    expect(message).toContain('is running')
    expect(clock.now()).toBe(30_000)
    expect(clock.pending).toBe(0)
  })

  it('resolves at the exit, and leaves no timer', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started({ runsForMs: 100 })
    await clock.runUntil(runtime.waitContainerStateStopped(container))
    expect(clock.now()).toBe(100)
    expect(clock.pending).toBe(0)
  })
})

describe('an AbortSignal', () => {
  it('ends the wait for every verb and none of the operations', async () => {
    const { runtime, clock, sim, describe: describeContainer } = await openStage()
    const container = describeContainer(deaf)
    const { id } = container
    const aborted = async (
      operation: ContainerOperation,
      ask: (options: { signal: AbortSignal }) => Promise<unknown>,
    ): Promise<void> => {
      const abort = new AbortController()
      const attempt = refusalOf(ask({ signal: abort.signal }))
      abort.abort()
      expect(await attempt).toMatchObject({ code: 'ERR_ABORTED', operation, containerId: id })
      await clock.advance(100)
    }
    for (const effect of ['create', 'start', 'pause', 'resume', 'signal', 'delete'] as const) {
      sim.inject(id, { effect, fault: 'late', delayMs: 50 })
    }
    await aborted('createContainer', (options) => runtime.createContainer(container, undefined, options))
    expect(container.phase).toBe('created')
    await aborted('startContainer', (options) => runtime.startContainer(container, options))
    expect(container.phase).toBe('running')
    await aborted('pauseContainer', (options) => runtime.pauseContainer(container, options))
    expect(container.phase).toBe('paused')
    await aborted('unpauseContainer', (options) => runtime.unpauseContainer(container, options))
    expect(container.phase).toBe('running')
    await aborted('signalContainer', (options) => runtime.signalContainer(container, 'USR1', options))
    expect(sim.world(id).signals).toEqual([10])
    sim.freezeFromOutside(id)
    await aborted('updateContainerStatus', (options) => runtime.updateContainerStatus(container, options))
    expect(container.phase).toBe('paused')
    await aborted('waitContainer', (options) => runtime.waitContainer(container, options))
    await aborted('waitContainerStateStopped', (options) =>
      runtime.waitContainerStateStopped(container, options),
    )
    await aborted('stopContainer', (options) => runtime.stopContainer(container, 0, options))
    expect(container.phase).toBe('stopped')
    await aborted('deleteContainer', (options) => runtime.deleteContainer(container, options))
    expect(container.phase).toBe('deleted')
  })

  it('that is aborted already ends the wait at once, and the operation goes on', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started(deaf)
    const signal = AbortSignal.abort()
    expect((await refusalOf(runtime.stopContainer(container, 1, { signal }))).code).toBe('ERR_ABORTED')
    expect((await refusalOf(runtime.waitContainer(container, { signal }))).code).toBe('ERR_ABORTED')
    await clock.advance(1000)
    expect(container.phase).toBe('stopped')
    expect((await refusalOf(runtime.waitContainer(container, { signal }))).code).toBe('ERR_ABORTED')
  })

  it('has no listener left after ten thousand calls', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started(deaf)
    const { signal } = new AbortController()
    let listeners = 0
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...rest: Parameters<typeof add>) => {
      listeners += 1
      add(...rest)
    }
    signal.removeEventListener = (...rest: Parameters<typeof remove>) => {
      listeners -= 1
      remove(...rest)
    }
    const waits: Promise<unknown>[] = []
    for (let call = 0; call < 2500; call++) {
      waits.push(
        runtime.waitContainer(container, { signal }),
        runtime.waitContainerStateStopped(container, { signal }),
        runtime.stopContainer(container, 1, { signal }),
        runtime.updateContainerStatus(container, { signal }),
      )
    }
    expect(listeners).toBe(10_000)
    await clock.runUntil(Promise.all(waits))
    expect(listeners).toBe(0)
    expect(clock.pending).toBe(0)
  })
})

describe('reading', () => {
  it('never asks the runtime', async () => {
    const { runtime, started, sim } = await openStage()
    const container = await started()
    const before = sim.calls.length
    for (let read = 0; read < 100; read++) {
      expect([container.state.pid, container.phase, container.waitingFor]).toHaveLength(3)
      expect(runtime.containers.list()).toHaveLength(1)
    }
    expect(sim.calls.length).toBe(before)
  })

  it('shows a wait that nobody answers as waiting', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started()
    const wait = runtime.waitContainer(container)
    expect(await standing(clock, wait)).toBe('waits')
    await clock.runUntil(Promise.all([wait, runtime.deleteContainer(container)]))
  })
})
