import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Container } from '../../../src/container.ts'
import { setState } from '../../../src/testing.ts'
import { bound, containerOf, simulation } from './fixture.ts'

describe('what happens behind the back of a supervisor', () => {
  it('an OOM kill exits with 137 and leaves the evidence', async () => {
    const { sim, exits, run, signal } = simulation()
    const container = containerOf('c')
    await run(container)
    sim.oomKill('c')
    expect(await sim.oomKilled(container, 137, { signal })).toBe(true)
    expect(exits).toMatchObject([{ code: 137 }])
  })

  it('a freeze from outside is seen by observe, and can be undone', async () => {
    const { sim, run, signal } = simulation()
    const container = containerOf('c')
    await run(container)
    sim.freezeFromOutside('c')
    expect(await sim.observe(container, { signal })).toMatchObject({ status: 'paused' })
    sim.thawFromOutside('c')
    expect(await sim.observe(container, { signal })).toMatchObject({ status: 'running' })
  })

  it('a frozen process can end, and is stopped then, not paused', async () => {
    const { sim, exits, run, signal } = simulation()
    const container = containerOf('c')
    await run(container)
    await sim.pause(container, { signal })
    sim.exitNow('c', 2)
    await turn()
    expect(sim.world('c')).toMatchObject({ status: 'stopped', frozen: false })
    expect(exits).toMatchObject([{ code: 2 }])
  })

  it('a delete from outside kills, reports and leaves nothing', async () => {
    const { sim, exits, run, signal } = simulation()
    const container = containerOf('c')
    await run(container)
    sim.deleteFromOutside('c')
    await turn()
    expect(exits).toMatchObject([{ code: 137 }])
    expect(await sim.observe(container, { signal })).toEqual({ status: 'absent', init: undefined })
  })

  it('a dead monitor leaves the process alive and its exit unreported for ever', async () => {
    const { clock, sim, exits, run, signal } = simulation()
    const container = containerOf('c', ['sleep', '10'])
    const { monitor, monitorGone } = await run(container)
    sim.killMonitor('c')
    await monitorGone
    expect(monitor && sim.processState(monitor)).toBe('gone')
    expect(sim.world('c')).toMatchObject({ alive: true, monitorAlive: false })
    await clock.advance(3_600_000)
    await sim.exits.scan()
    expect(sim.world('c')).toMatchObject({ status: 'stopped', exit: undefined })
    await sim.delete(container, { signal })
    expect(exits).toEqual([])
  })

  it('a monitor that dies before it reports takes the exit with it', async () => {
    const { clock, sim, exits, run } = simulation()
    sim.program('c', { runsForMs: 10, exitReportedAfterMs: 50 })
    await run(containerOf('c'))
    await clock.advance(20)
    sim.killMonitor('c')
    expect(clock.pending).toBe(0)
    await clock.advance(100)
    expect(exits).toEqual([])
  })

  it('a muted monitor lives on, and reports what it kept when it is unmuted', async () => {
    const { sim, exits, run } = simulation()
    const container = containerOf('c')
    const { init } = await run(container)
    sim.killProcessSilently('c')
    await sim.exits.scan()
    expect(sim.processState(init)).toBe('gone')
    expect(sim.world('c')).toMatchObject({ status: 'stopped', monitorAlive: true })
    expect(exits).toEqual([])
    sim.unmuteMonitor('c')
    await turn()
    expect(exits).toMatchObject([{ code: 137 }])
    expect(sim.world('c').monitorAlive).toBe(false)
  })

  it('a muted monitor does not outlive the delete of its container', async () => {
    const { sim, exits, run, signal } = simulation()
    const container = containerOf('c')
    const { monitor } = await run(container)
    sim.killProcessSilently('c')
    await sim.delete(container, { signal })
    expect(monitor && sim.processState(monitor)).toBe('gone')
    expect(exits).toEqual([])
  })

  it('names the container that does not exist', () => {
    const { sim } = simulation()
    const levers = [
      () => sim.exitNow('no', 0),
      () => sim.oomKill('no'),
      () => sim.freezeFromOutside('no'),
      () => sim.deleteFromOutside('no'),
      () => sim.killMonitor('no'),
      () => sim.killProcessSilently('no'),
    ]
    for (const lever of levers) {
      expect(lever).toThrow(expect.objectContaining({ code: 'ERR_NOT_FOUND', containerId: 'no' }))
    }
  })
})

describe('a restarted supervisor', () => {
  it('finds containers, programs, faults and unrecorded exits as they were', async () => {
    const { clock, sim, exits, run, signal } = simulation()
    sim.program('later', { runsForMs: 100, exitCode: 8 })
    sim.inject('alive', { effect: 'pause', fault: 'fail' })
    const [alive, dead] = [containerOf('alive'), containerOf('dead')]
    const { init } = await run(alive)
    await run(dead)
    sim.exitNow('dead', 5)
    await clock.settle()
    expect(exits).toHaveLength(1)

    const next = bound(sim.reopen())
    next.sim.exits.expect('alive')
    next.sim.exits.expect('dead')
    await turn()
    expect(next.exits).toEqual(exits)
    expect(await next.sim.observe(alive, { signal })).toEqual({ status: 'running', init })
    await expect(next.sim.pause(alive, { signal })).rejects.toMatchObject({ code: 'ERR_RUNTIME_FAILED' })
    await next.run(containerOf('later'))
    await clock.advance(100)
    expect(next.exits).toHaveLength(2)
    expect(exits).toHaveLength(1)
  })

  it('leaves nothing to the one before: its calls fail, its exits are over', async () => {
    const { sim, signal } = simulation()
    let completed = false
    sim.exits.exits$.subscribe({
      complete: () => {
        completed = true
      },
    })
    sim.inject('c', { effect: 'create', fault: 'late' })
    const create = sim.create(containerOf('c'), { signal, cgroupParent: undefined })
    const next = sim.reopen()
    await expect(create).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(completed).toBe(true)
    expect(next.world('c')).toMatchObject({ status: 'created', monitorAlive: true })
    await expect(sim.observe(containerOf('c'), { signal })).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await expect(sim.exits.scan()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await sim.close()
  })
})

describe('setState', () => {
  it('gives an unregistered container a state', () => {
    const container = new Container({ id: 'c', bundlePath: '/bundles/c' })
    setState(container, { status: 'running', pid: 4711 })
    expect(container.state).toMatchObject({ id: 'c', status: 'running', pid: 4711 })
  })
})
