import { describe, expect, it } from 'vitest'
import type { ContainerEvent } from '../../src/index.ts'
import { deaf, immortal, openStage, refusalOf, standing } from './stage.ts'

describe('many stops', () => {
  it('end at the shortest of 150 timeouts, and every caller hears of it', async () => {
    const { runtime, clock, started, sim, calls } = await openStage()
    const container = await started(deaf)
    const stops = Array.from({ length: 150 }, (_, index) => runtime.stopContainer(container, 150 - index))
    await clock.runUntil(Promise.all(stops))
    expect(clock.now()).toBe(1000)
    expect(sim.world(container.id).signals).toEqual([15, 9])
    expect(calls('signal')).toBe(2)
  })

  it('never make the deadline longer', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started(deaf)
    const short = runtime.stopContainer(container, 2)
    await clock.advance(1000)
    const long = runtime.stopContainer(container, 100)
    await clock.runUntil(Promise.all([short, long]))
    expect(clock.now()).toBe(2000)
  })

  it('by the ten thousand of a container being killed are one request', async () => {
    const { runtime, clock, started, sim } = await openStage()
    const container = await started({ onTerm: 'ignore', onKill: { afterMs: 5000 } })
    const first = runtime.stopContainer(container, 0)
    await clock.settle()
    const killsBefore = sim.calls.length
    const stops = Array.from({ length: 10_000 }, () => runtime.stopContainer(container, 0))
    await clock.settle()
    // Nothing is sent for them, and one timer each would show here.
    expect(sim.calls.length).toBe(killsBefore)
    expect(clock.pending).toBeLessThan(10)
    await clock.runUntil(Promise.all([first, ...stops]))
    expect(clock.now()).toBe(5000)
  })
})

describe('the timeout of a stop', () => {
  it.each([0, -1, Number.NEGATIVE_INFINITY])(
    'of %s kills at once, without the stop signal',
    async (timeout) => {
      const { runtime, clock, started, sim } = await openStage()
      const container = await started()
      await clock.runUntil(runtime.stopContainer(container, timeout))
      expect(sim.world(container.id).signals).toEqual([9])
      expect(clock.now()).toBe(0)
    },
  )

  it.each([Number.POSITIVE_INFINITY, 1e15])('of %s never escalates', async (timeout) => {
    const { runtime, clock, started, sim } = await openStage()
    const container = await started(deaf)
    const stop = runtime.stopContainer(container, timeout)
    await clock.advance(3_600_000)
    expect(await standing(clock, stop)).toBe('waits')
    expect(sim.world(container.id).signals).toEqual([15])
    expect(container.phase).toBe('stopping.grace')
    await clock.runUntil(Promise.all([stop, runtime.stopContainer(container, 0)]))
  })

  it('of a fraction of a second is exact', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started(deaf)
    await clock.runUntil(runtime.stopContainer(container, 0.25))
    expect(clock.now()).toBe(250)
  })
})

describe('a process that does not die', () => {
  it('is reported with what it does instead, and its callers are told after two minutes', async () => {
    const { runtime, clock, started, events, sim } = await openStage()
    const container = await started(immortal)
    const beganMs = 5000
    await clock.advance(beganMs)
    const stop = refusalOf(runtime.stopContainer(container, 0))
    expect(container.waitingFor).toBe('the process to die after KILL')
    await clock.advance(61_000)
    const stuck = events.find(
      (event): event is ContainerEvent & { type: 'stopStuck' } => event.type === 'stopStuck',
    )
    expect(stuck).toMatchObject({ processState: 'D', containerId: container.id })
    expect(container.waitingFor).toBe(
      'the process to die after KILL, for 61 s; it is in uninterruptible sleep (D)',
    )
    const refusal = await clock.runUntil(stop)
    expect(refusal.code).toBe('ERR_STOP_STUCK')
    expect(refusal.message).toContain('KILLs in 120 s')
    expect(clock.now()).toBe(beganMs + 120_000)
    const kills = sim.world(container.id).signals.length
    await clock.advance(200_000)
    expect(sim.world(container.id).signals.length).toBeGreaterThan(kills)
    expect(container.phase).toBe('stopping.killing')
  })

  it('answers a later stop too, by another refusal or by its end', async () => {
    const { runtime, clock, started, sim } = await openStage()
    const container = await started(immortal)
    expect((await clock.runUntil(refusalOf(runtime.stopContainer(container, 0)))).code).toBe('ERR_STOP_STUCK')
    const second = refusalOf(runtime.stopContainer(container, 0))
    expect((await clock.runUntil(second)).code).toBe('ERR_STOP_STUCK')
    expect(clock.now()).toBe(240_000)
    const third = runtime.stopContainer(container, 0)
    sim.exitNow(container.id, 137)
    await clock.runUntil(third)
    expect(container.state.exit).toMatchObject({ code: 137 })
  })
})

describe('a paused container', () => {
  it('is thawed, then asked to stop', async () => {
    const { runtime, clock, started, sim } = await openStage()
    const container = await started({ onTerm: { exitCode: 4 } })
    await runtime.pauseContainer(container)
    await clock.runUntil(runtime.stopContainer(container, 10))
    expect(container.state.exit).toMatchObject({ code: 4 })
    const order = sim.calls
      .map(({ effect }) => effect)
      .filter((effect) => effect === 'resume' || effect === 'signal')
    expect(order).toEqual(['resume', 'signal'])
    expect(clock.now()).toBe(0)
  })
})

describe('a container that somebody else has frozen', () => {
  it.each(['created', 'started'] as const)('is thawed to be killed: %s', async (way) => {
    const stage = await openStage()
    const container = await stage[way](deaf)
    stage.sim.freezeFromOutside(container.id)
    await stage.clock.runUntil(stage.runtime.stopContainer(container, 0))
    expect(stage.clock.now()).toBeLessThan(100)
    expect(container.state.exit).toMatchObject({ code: 137 })
  })
})

describe('an aborted wait for a stop', () => {
  it('leaves the stop running', async () => {
    const { runtime, clock, started, sim } = await openStage()
    const container = await started(deaf)
    const abort = new AbortController()
    const stop = refusalOf(runtime.stopContainer(container, 5, { signal: abort.signal }))
    abort.abort(new Error('enough'))
    expect(await stop).toMatchObject({ code: 'ERR_ABORTED', cause: { message: 'enough' } })
    await clock.runUntil(runtime.waitContainer(container))
    expect(clock.now()).toBe(5000)
    expect(sim.world(container.id).signals).toEqual([15, 9])
  })
})

describe('while a stop waits out its grace', () => {
  it('everything else goes on, for this container and for others', async () => {
    const { runtime, clock, started, created, events } = await openStage()
    const container = await started(deaf)
    const stop = runtime.stopContainer(container, 60)
    await clock.settle()
    const waiter = runtime.waitContainer(container)
    await runtime.updateContainerStatus(container)
    await runtime.signalContainer(container, 'USR1')
    expect(container.status).toBe('running')
    expect(container.waitingFor).toBe('the process to end after the stop signal')
    const other = await created()
    await runtime.startContainer(other)
    await runtime.pauseContainer(other)
    await runtime.unpauseContainer(other)
    await runtime.stopContainer(other, 10)
    await runtime.deleteContainer(other)
    expect(events.at(-1)).toMatchObject({ type: 'deleted', containerId: other.id })
    expect(clock.now()).toBe(0)
    expect(await standing(clock, stop)).toBe('waits')
    await clock.runUntil(stop)
    expect(await waiter).toMatchObject({ code: 137 })
    expect(clock.now()).toBe(60_000)
  })
})
