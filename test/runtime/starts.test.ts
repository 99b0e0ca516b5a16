/** Starts of which the runtime says that they failed, and containers that somebody else has started. */
import { describe, expect, it } from 'vitest'
import { OciError, type Container } from '../../src/index.ts'
import type { SimulatedRuntime } from '../../src/testing.ts'
import { deaf, openStage, refusalOf } from './stage.ts'

describe('a container that somebody else has started', () => {
  it('is seen to run by updateContainerStatus, asking the runtime once', async () => {
    const { runtime, created, sim, calls, told } = await openStage()
    const container = await created()
    sim.startFromOutside(container.id)
    await runtime.updateContainerStatus(container)
    await runtime.updateContainerStatus(container)
    expect(container.status).toBe('running')
    expect(container.state.started).toBeDefined()
    expect(calls('observe')).toBe(1)
    expect(told(container)).toEqual(['created', 'started'])
  })

  it('is seen to be paused where that was done, too', async () => {
    const { runtime, created, sim, told } = await openStage()
    const container = await created()
    sim.startFromOutside(container.id)
    sim.freezeFromOutside(container.id)
    await runtime.updateContainerStatus(container)
    expect(container.status).toBe('paused')
    expect(told(container)).toEqual(['created', 'started', 'paused'])
    await runtime.unpauseContainer(container)
    expect(sim.world(container.id).frozen).toBe(false)
  })

  it('is not killed by the next start, which finds what it wanted', async () => {
    const { runtime, created, sim, clock, calls, told } = await openStage()
    const container = await created(deaf)
    sim.startFromOutside(container.id)
    await clock.runUntil(runtime.startContainer(container))
    expect([container.status, container.state.error]).toEqual(['running', undefined])
    expect(sim.world(container.id)).toMatchObject({ status: 'running', signals: [] })
    expect([calls('observe'), calls('cleanUp')]).toEqual([1, 0])
    expect(told(container)).toEqual(['created', 'started'])
  })

  it('is found without a hint of the implementation', async () => {
    const { runtime, created, sim } = await openStage({
      wrap: (inner) => Object.assign(inner, { isStarted: undefined }),
    })
    const container = await created()
    await runtime.updateContainerStatus(container)
    expect(container.status).toBe('created')
    sim.startFromOutside(container.id)
    await runtime.updateContainerStatus(container)
    expect(container.status).toBe('running')
  })

  it('and has ended since is stopped with its exit', async () => {
    const { runtime, created, sim, clock, told } = await openStage()
    const container = await created({ runsForMs: 10, exitCode: 3 })
    sim.startFromOutside(container.id)
    expect(await clock.runUntil(runtime.waitContainer(container))).toMatchObject({ kind: 'code', code: 3 })
    expect(told(container)).toEqual(['created', 'exited'])
  })
})

/** The runtime knows nothing of any container: only its process is there. */
function withoutRecords(inner: SimulatedRuntime): SimulatedRuntime {
  return Object.assign(inner, {
    isStarted: undefined,
    observe: (container: Container) =>
      Promise.resolve({
        status: 'running',
        init: { pid: inner.world(container.id).pid, startTicks: '1' },
        isOfProcessOnly: true,
      } as const),
  })
}

describe('a created container that only its process tells of', () => {
  it('is not taken for a started one', async () => {
    const { runtime, created, told } = await openStage({ wrap: withoutRecords })
    const container = await created()
    await runtime.updateContainerStatus(container)
    expect([container.status, container.state.started]).toEqual(['created', undefined])
    expect(told(container)).toEqual(['created'])
  })

  it('is not said to be started by a start that failed', async () => {
    const { runtime, created, sim, clock, told } = await openStage({ wrap: withoutRecords })
    const container = await created()
    sim.inject(container.id, { effect: 'start', fault: 'fail' })
    expect(await clock.runUntil(refusalOf(runtime.startContainer(container)))).toMatchObject({
      code: 'ERR_RUNTIME_FAILED',
    })
    expect(container.phase).toBe('stopped')
    expect(told(container)).not.toContain('started')
  })
})

describe('a start that fails', () => {
  it('although the command runs has succeeded', async () => {
    const { runtime, created, sim, clock, told } = await openStage()
    const container = await created()
    sim.inject(container.id, { effect: 'start', fault: 'failAfterEffect' })
    await clock.runUntil(runtime.startContainer(container))
    expect([container.status, sim.world(container.id).status]).toEqual(['running', 'running'])
    expect(told(container)).toEqual(['created', 'started'])
  })

  it('asks no runtime about what certainly waits', async () => {
    const { runtime, created, sim, clock, calls } = await openStage()
    const container = await created()
    sim.inject(container.id, { effect: 'start', fault: 'fail' })
    await clock.runUntil(refusalOf(runtime.startContainer(container)))
    expect([container.phase, calls('observe'), calls('cleanUp')]).toEqual(['stopped', 0, 1])
  })

  it.each(['fail', 'hang'] as const)('is told as it failed when to observe should %s', async (fault) => {
    const { runtime, created, sim, clock } = await openStage({
      wrap: (inner) => Object.assign(inner, { isStarted: undefined }),
    })
    const container = await created()
    sim.inject(container.id, { effect: 'start', fault: 'fail' })
    sim.inject(container.id, { effect: 'observe', fault })
    const { code } = await clock.runUntil(refusalOf(runtime.startContainer(container)))
    expect(code).toBe(fault === 'fail' ? 'ERR_RUNTIME_FAILED' : 'ERR_TIMEOUT')
    expect([container.phase, sim.ids]).toEqual(['stopped', []])
  })

  it('for want of a monitor is not looked into: what runs without one gives neither exit nor log', async () => {
    const { runtime, created, sim, clock, calls } = await openStage({
      wrap: (inner) => Object.assign(inner, { isStarted: undefined }),
    })
    const container = await created()
    const error = new OciError('ERR_MONITOR_LOST', 'no monitor')
    sim.inject(container.id, { effect: 'start', fault: 'fail', error })
    const { code } = await clock.runUntil(refusalOf(runtime.startContainer(container)))
    expect([code, calls('observe')]).toEqual(['ERR_MONITOR_LOST', 0])
  })
})

describe('a created container that is killed', () => {
  it('has an exit that is told, and can be waited for, and cannot be started', async () => {
    const { runtime, created, sim, clock, events, told } = await openStage()
    const container = await created()
    sim.exitNow(container.id, 137)
    const exit = await clock.runUntil(runtime.waitContainer(container))
    expect(exit).toMatchObject({ kind: 'code', code: 137 })
    expect(events.find(({ type }) => type === 'exited')).toMatchObject({ exit })
    expect(container.state.started).toBeUndefined()
    expect((await refusalOf(runtime.startContainer(container))).code).toBe('ERR_WRONG_STATUS')
    await runtime.deleteContainer(container, { force: false })
    expect(told(container)).toEqual(['created', 'exited', 'deleted'])
  })

  it.each(['stopped', 'deleted'] as const)('by being %s has one, too', async (how) => {
    const { runtime, created, clock, told } = await openStage()
    const container = await created()
    if (how === 'stopped') await clock.runUntil(runtime.stopContainer(container, 10))
    await clock.runUntil(runtime.deleteContainer(container))
    expect(told(container)).toEqual(['created', 'exited', 'deleted'])
  })
})
