import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { ProcessIdentity } from '../../../src/impl/runtime-impl.ts'
import { containerOf, SIGKILL, SIGTERM, simulation } from './fixture.ts'

async function story() {
  const { clock, sim, exits, run, signal } = simulation()
  sim.inject(() => true, { effect: 'pause', fault: 'late', delayMs: 70, times: 3 })
  for (let i = 0; i < 20; i++) {
    const container = containerOf(`c${i}`, ['sh', '-c', `sleep 0.${i % 7}; exit ${i}`])
    await run(container)
    if (i % 3 === 0) void sim.pause(container, { signal }).catch(() => undefined)
    await clock.advance(i)
  }
  await clock.advance(500)
  return {
    codes: exits.map(({ code }) => code),
    exits,
    calls: sim.calls,
    worlds: sim.ids.map((id) => sim.world(id)),
  }
}

describe('the simulated runtime', () => {
  it('takes a container from create to delete, with its exit reported once', async () => {
    const { clock, sim, exits, create, start, signal } = simulation()
    const container = containerOf('c', ['sh', '-c', 'sleep 1; exit 3'])
    expect(sim.world('c')).toMatchObject({ exists: false, status: 'absent', pid: 0, alive: false })

    const { init, monitorGone } = await create(container)
    expect(sim.world('c')).toMatchObject({
      status: 'created',
      pid: init.pid,
      alive: true,
      monitorAlive: true,
    })
    expect(await sim.observe(container, { signal })).toEqual({ status: 'created', init })

    await start(container)
    expect(await sim.observe(container, { signal })).toEqual({ status: 'running', init })
    await clock.advance(1000)
    const exit = { id: 'c', code: 3, finished: '2020-01-01T00:00:01.000000000Z' }
    expect(exits).toEqual([exit])
    await monitorGone
    expect(await sim.observe(container, { signal })).toEqual({ status: 'stopped', init: undefined })

    await sim.exits.scan()
    expect(exits).toHaveLength(1)
    await sim.delete(container, { signal })
    expect(sim.ids).toEqual([])
    expect(sim.world('c')).toMatchObject({ exists: false, exit })
    await sim.exits.discard('c')
    expect(sim.world('c').exit).toBeUndefined()
    expect(clock.pending).toBe(0)
  })

  it('gives pids that no process of this host can have, and never the same twice', async () => {
    const { sim, create, signal } = simulation()
    const container = containerOf('c')
    const first = await create(container)
    await sim.cleanUp(container, { signal })
    const second = await create(container)
    const pids = [first.init, first.monitor, second.init, second.monitor].map(
      (identity) => identity?.pid ?? 0,
    )
    expect(Math.min(...pids)).toBeGreaterThan(2 ** 22)
    expect(new Set(pids).size).toBe(4)
    expect(sim.processState(first.init)).toBe('gone')
    expect(sim.processState(second.init)).toBe('alive')
    expect(sim.processState({ ...second.init, startTicks: '1' })).toBe('gone')
  })

  it('refuses to create a container whose id it knows, and leaves that one alone', async () => {
    const { sim, create } = simulation()
    const { init } = await create(containerOf('c'))
    await expect(create(containerOf('c'))).rejects.toMatchObject({
      code: 'ERR_CREATE_FAILED',
      containerId: 'c',
    })
    expect(sim.world('c')).toMatchObject({ pid: init.pid, alive: true })
  })

  it('refuses what the state of the process forbids', async () => {
    const { clock, sim, create, start, run, signal } = simulation()
    const absent = containerOf('absent')
    const options = { signal }
    const nobody: ProcessIdentity = { pid: 2 ** 22 + 1000, startTicks: '1' }
    for (const effect of ['start', 'pause', 'resume'] as const) {
      await expect(sim[effect](absent, options)).rejects.toMatchObject({ code: 'ERR_UNKNOWN_TO_RUNTIME' })
    }
    await expect(sim.signal(absent, nobody, SIGKILL, options)).rejects.toMatchObject({
      code: 'ERR_NOT_RUNNING',
    })

    const running = containerOf('running')
    const { init } = await run(running)
    await expect(start(running)).rejects.toMatchObject({ code: 'ERR_RUNTIME_FAILED' })
    await expect(sim.delete(running, options)).rejects.toMatchObject({ code: 'ERR_RUNTIME_FAILED' })
    await expect(sim.signal(running, nobody, SIGKILL, options)).rejects.toMatchObject({
      code: 'ERR_NOT_RUNNING',
    })
    expect(sim.world('running').alive).toBe(true)

    sim.exitNow('running', 0)
    await clock.settle()
    for (const effect of ['start', 'pause', 'resume'] as const) {
      await expect(sim[effect](running, options)).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
    }
    await expect(sim.signal(running, init, SIGTERM, options)).rejects.toMatchObject({
      code: 'ERR_NOT_RUNNING',
    })
    await create(absent)
    await sim.delete(absent, options)
    expect(sim.world('absent').exists).toBe(false)
  })

  it('ends a created container by KILL only, and reports its exit', async () => {
    const { sim, exits, create, signal } = simulation()
    const container = containerOf('c')
    const { init } = await create(container)
    await sim.signal(container, init, SIGTERM, { signal })
    expect(sim.world('c').status).toBe('created')
    await sim.signal(container, init, SIGKILL, { signal })
    expect(sim.world('c').status).toBe('stopped')
    expect(exits).toMatchObject([{ code: 137 }])
  })

  it('lets no time pass for a frozen process, and delivers its signals when it is thawed', async () => {
    const { clock, sim, exits, run, signal } = simulation()
    sim.program('c', { runsForMs: 1000, onTerm: { exitCode: 6, afterMs: 100 } })
    const container = containerOf('c')
    const { init } = await run(container)
    await clock.advance(900)
    await sim.pause(container, { signal })
    await sim.pause(container, { signal })
    expect(sim.world('c')).toMatchObject({ status: 'paused', frozen: true, alive: true })
    await sim.signal(container, init, SIGTERM, { signal })
    await clock.advance(5000)
    expect(exits).toEqual([])
    await expect(sim.delete(container, { signal })).rejects.toMatchObject({ code: 'ERR_RUNTIME_FAILED' })

    await sim.resume(container, { signal })
    await clock.advance(99)
    expect(exits).toEqual([])
    await clock.advance(1)
    expect(exits).toMatchObject([{ code: 0, finished: '2020-01-01T00:00:06.000000000Z' }])
  })

  it.each([
    [false, 'paused'],
    [true, 'stopped'],
  ] as const)(
    'ends a frozen process by KILL at once or after the thaw (killsFrozen: %s)',
    async (killsFrozen, status) => {
      const { sim, exits, run, signal } = simulation({ killsFrozen })
      const container = containerOf('c')
      const { init } = await run(container)
      await sim.pause(container, { signal })
      await sim.signal(container, init, SIGTERM, { signal })
      await sim.signal(container, init, SIGKILL, { signal })
      expect(sim.world('c').status).toBe(status)
      if (!killsFrozen) await sim.resume(container, { signal })
      expect(exits).toMatchObject([{ code: 137 }])
    },
  )

  it('cleans up whatever there is, and succeeds when there is nothing', async () => {
    const { clock, sim, exits, run, signal } = simulation()
    const container = containerOf('c')
    const created = await run(container)
    await sim.pause(container, { signal })
    await sim.cleanUp(container, { signal })
    expect(sim.world('c')).toMatchObject({ exists: false, alive: false, monitorAlive: false })
    expect(exits).toMatchObject([{ code: 137 }])
    await created.monitorGone
    await sim.cleanUp(container, { signal })
    await sim.delete(container, { signal })
    expect(clock.pending).toBe(0)
  })

  it('reports what its monitor had still to report when it is cleaned up', async () => {
    const { clock, sim, exits, run, signal } = simulation()
    sim.program('c', { runsForMs: 60_000, exitReportedAfterMs: 5000 })
    const container = containerOf('c')
    await run(container)
    await sim.cleanUp(container, { signal })
    expect(exits).toMatchObject([{ code: 137 }])
    expect(sim.ids).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('refuses to start or to delete a created container that is frozen', async () => {
    const { sim, create, start, signal } = simulation()
    const container = containerOf('c')
    await create(container)
    await sim.pause(container, { signal })
    await expect(start(container)).rejects.toMatchObject({ code: 'ERR_RUNTIME_FAILED' })
    await expect(sim.delete(container, { signal })).rejects.toMatchObject({ code: 'ERR_RUNTIME_FAILED' })
    await sim.resume(container, { signal })
    expect(sim.world('c').status).toBe('created')
  })

  it('tells of an exit once for each time it is expected, also of one before start returned', async () => {
    const { sim, exits, signal } = simulation()
    sim.program('c', { exitsBeforeStart: true })
    const container = containerOf('c')
    await sim.create(container, { signal, cgroupParent: undefined })
    await sim.start(container, { signal })
    await turn()
    sim.exits.expect('c')
    await sim.exits.scan()
    expect(exits).toHaveLength(1)
    await sim.exits.discard('c')
    sim.exits.expect('c')
    await turn()
    expect(exits).toHaveLength(1)
  })

  it('keeps an exit for whoever subscribes later', async () => {
    const { sim, signal } = simulation()
    const other = sim.reopen()
    const container = containerOf('c')
    other.exits.expect('c')
    await other.create(container, { signal, cgroupParent: undefined })
    other.exitNow('c', 4)
    await turn()
    const codes: number[] = []
    other.exits.exits$.subscribe(({ code }) => codes.push(code))
    await turn()
    expect(codes).toEqual([4])
  })

  it('reports the exit before it says that the monitor is gone', async () => {
    const { sim, exits, run } = simulation()
    const { monitorGone } = await run(containerOf('c'))
    const exitsKnown = monitorGone?.then(() => exits.length)
    sim.exitNow('c', 0)
    expect(await exitsKnown).toBe(1)
  })

  it('does the same for the same calls', async () => {
    const first = await story()
    expect(first.codes).toContain(19)
    expect(await story()).toEqual(first)
  })
})
