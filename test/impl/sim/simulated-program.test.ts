import { describe, expect, it } from 'vitest'
import { containerOf, SIGKILL, SIGTERM, simulation } from './fixture.ts'

const exitingCommands: [args: string[], afterMs: number, code: number][] = [
  [['/bin/true'], 0, 0],
  [['false'], 0, 1],
  [['sleep', '2.5'], 2500, 0],
  [['/bin/sleep', '2m'], 120_000, 0],
  [['busybox', 'sleep', '3'], 3000, 0],
  [['sh', '-c', 'exit 3'], 0, 3],
  [['sh', '-c', ''], 0, 0],
  [['/bin/bash', '-c', 'echo hello; sleep 1; sleep 2; exit 42; sleep 9'], 3000, 42],
  [['busybox', 'sh', '-c', "trap 'exit 7' TERM\nsleep 30"], 30_000, 0],
  [['sh', '-c', 'sleep 40d'], 40 * 86_400_000, 0],
  [['echo', 'hello'], 0, 0],
  [['cat'], 0, 0],
  [['cat', '/etc/hostname'], 0, 1],
]

describe("what the spec's arguments come to", () => {
  it.each(exitingCommands)('%j runs %i ms and exits with %i', async (args, afterMs, code) => {
    const { clock, exits, run } = simulation()
    await run(containerOf('c', args))
    await clock.advance(Math.max(afterMs - 1, 0))
    const early = exits.length
    await clock.advance(1)
    expect(early).toBe(afterMs === 0 ? 1 : 0)
    expect(exits.map((exit) => exit.code)).toEqual([code])
  })

  it.each([
    [['sleep', 'infinity']],
    [['nginx', '-g', 'daemon off;']],
    [['sh', '-c', 'while :; do sleep 1; done']],
    [['sh', '-c', 'sleep 1 && exit 3']],
    [['sh', 'script.sh']],
    [['sleep', 'a while']],
  ])('%j runs until something ends it', async (args) => {
    const { clock, sim, run } = simulation()
    await run(containerOf('c', args))
    await clock.advance(10 * 86_400_000)
    expect(sim.world('c')).toMatchObject({ status: 'running', alive: true })
    expect(clock.pending).toBe(0)
  })

  it('is a process that TERM ends where there is no spec, and one that ignores it as pid 1 of a namespace', async () => {
    const { clock, sim, exits, run, signal } = simulation()
    const [plain, pid1] = [containerOf('plain'), containerOf('pid1', ['sleep', '100'])]
    for (const container of [plain, pid1]) {
      const { init } = await run(container)
      await sim.signal(container, init, SIGTERM, { signal })
    }
    await clock.advance(0)
    expect(exits.map(({ id, code }) => [id, code])).toEqual([['plain', 143]])
    expect(sim.world('pid1')).toMatchObject({ alive: true, signals: [SIGTERM] })
  })

  it.each([
    ["trap 'exit 7' TERM; while :; do sleep 1; done", [7]],
    ["trap '' TERM; while :; do sleep 1; done", []],
    ["trap 'exit 8' SIGHUP; while :; do sleep 1; done", []],
  ])('%j takes TERM as its trap says', async (script, codes) => {
    const { clock, sim, exits, run, signal } = simulation()
    const container = containerOf('c', ['sh', '-c', script])
    const { init } = await run(container)
    await sim.signal(container, init, SIGTERM, { signal })
    await clock.advance(0)
    expect(exits.map(({ code }) => code)).toEqual(codes)
  })
})

describe('scripted programs', () => {
  it('take the place of what the arguments come to, where they say something', async () => {
    const { clock, sim, exits, run, signal } = simulation()
    sim.program('c', { onTerm: { exitCode: 5, afterMs: 3000 } })
    const container = containerOf('c', ['sleep', '100'])
    const { init } = await run(container)
    await sim.signal(container, init, SIGTERM, { signal })
    await clock.advance(2999)
    expect(exits).toEqual([])
    await clock.advance(1)
    expect(exits).toEqual([{ id: 'c', code: 5, finished: '2020-01-01T00:00:03.000000000Z' }])
  })

  it('are chosen by id or by a test of the container; the later one wins', async () => {
    const { clock, sim, exits, run } = simulation()
    sim.program(() => true, { runsForMs: 0, exitCode: 1 })
    sim.program(({ labels }) => labels['app'] === 'web', { runsForMs: 0, exitCode: 2 })
    sim.program('c', { runsForMs: 0, exitCode: 3 })
    await run(containerOf('a'))
    await run(containerOf('b', undefined, { labels: { app: 'web' } }))
    await run(containerOf('c', undefined, { labels: { app: 'web' } }))
    await clock.advance(0)
    expect(exits.map(({ id, code }) => [id, code])).toEqual([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ])
  })

  it('say themselves how long they run if they say how, or the other way round', async () => {
    const { clock, exits, run, sim } = simulation()
    sim.program('function', { run: (_, io) => io.sleep(3000) })
    sim.program('time', { runsForMs: 4000, exitCode: 1 })
    await run(containerOf('function', ['sh', '-c', 'sleep 1; exit 7']))
    await run(containerOf('time', ['cat']))
    await clock.advance(2999)
    expect(exits).toEqual([])
    await clock.advance(1001)
    expect(exits.map(({ id, code }) => [id, code])).toEqual([
      ['function', 0],
      ['time', 1],
    ])
  })

  it('are functions that have the arguments and the surroundings of their container', async () => {
    const { clock, sim, run } = simulation()
    const container = containerOf('c', ['server', '--port', '80'])
    const { spec } = container
    if (spec?.process !== undefined) {
      Object.assign(spec.process, { env: ['A=1=2', 'B='], cwd: '/srv', user: { uid: 5, gid: 6 } })
      container.setSpec(spec)
    }
    sim.program('c', {
      run: (argv, { env, cwd, user, stdout, terminalSize }) =>
        void stdout.write(JSON.stringify([argv, env, cwd, user, terminalSize ?? null])),
    })
    await run(container)
    await clock.advance(0)
    expect(JSON.parse(sim.logs('c').join(''))).toEqual([
      ['server', '--port', '80'],
      { A: '1=2', B: '' },
      '/srv',
      { uid: 5, gid: 6 },
      null,
    ])
  })

  it("take the container's own stop signal like TERM, and other signals as they are told", async () => {
    const { clock, sim, exits, run, signal } = simulation()
    sim.program(() => true, { onSignal: { sighup: { exitCode: 4 } } })
    const container = containerOf('c', undefined, { stopSignal: 'USR1' })
    const { init } = await run(container)
    await sim.signal(container, init, 12, { signal })
    await clock.advance(0)
    expect(exits).toEqual([])
    await sim.signal(container, init, 10, { signal })
    const other = containerOf('other')
    const created = await run(other)
    await sim.signal(other, created.init, 1, { signal })
    await clock.advance(0)
    expect(exits.map(({ code }) => code)).toEqual([138, 4])
  })

  it('may take KILL late or never, as a process in uninterruptible sleep', async () => {
    const { clock, sim, exits, run, signal } = simulation()
    sim.program('late', { onKill: { afterMs: 90_000 } })
    sim.program('never', { onKill: 'ignore' })
    for (const container of [containerOf('late'), containerOf('never')]) {
      const { init } = await run(container)
      await sim.signal(container, init, SIGKILL, { signal })
    }
    await clock.advance(89_999)
    expect(exits).toEqual([])
    await clock.advance(1_000_000)
    expect(exits).toEqual([{ id: 'late', code: 137, finished: '2020-01-01T00:01:30.000000000Z' }])
    expect(sim.world('never').alive).toBe(true)
  })

  it('may exit before start returns', async () => {
    const { sim, exits, create, start } = simulation()
    sim.program('c', { exitsBeforeStart: true, exitCode: 9 })
    const container = containerOf('c')
    await create(container)
    const exitsAtReturn = start(container).then(() => exits.length)
    expect(await exitsAtReturn).toBe(1)
    expect(exits[0]).toMatchObject({ code: 9 })
  })

  it('may run out of memory, with the evidence there before the exit', async () => {
    const { clock, sim, exits, run, signal } = simulation()
    sim.program('c', { oomAfterMs: 500, runsForMs: 1000 })
    const container = containerOf('c')
    await run(container)
    expect(await sim.oomKilled(container, 137, { signal })).toBe(false)
    await clock.advance(2000)
    expect(exits).toEqual([{ id: 'c', code: 137, finished: '2020-01-01T00:00:00.500000000Z' }])
    expect(await sim.oomKilled(container, 137, { signal })).toBe(true)
    await sim.delete(container, { signal })
    expect(await sim.oomKilled(container, 137, { signal })).toBe(false)
  })

  it('may have their exit reported late, with the time of the exit itself', async () => {
    const { clock, sim, exits, run } = simulation()
    sim.program('c', { runsForMs: 100, exitReportedAfterMs: 4000 })
    await run(containerOf('c'))
    await clock.advance(4099)
    expect(exits).toEqual([])
    expect(sim.world('c')).toMatchObject({ status: 'stopped', monitorAlive: true })
    await clock.advance(1)
    expect(exits).toEqual([{ id: 'c', code: 0, finished: '2020-01-01T00:00:00.100000000Z' }])
    expect(sim.world('c').monitorAlive).toBe(false)
  })

  it('may leave processes behind', async () => {
    const { clock, sim, run, signal } = simulation()
    sim.program('c', { runsForMs: 100, leavesProcesses: true })
    const container = containerOf('c')
    await run(container)
    expect(sim.world('c').processesLeft).toBe(false)
    await clock.advance(100)
    expect(sim.world('c').processesLeft).toBe(true)
    await sim.killRemaining(container, { signal })
    expect(sim.world('c').processesLeft).toBe(false)
  })

  it.each([
    [{ exitCode: 256 }, 'exitCode'],
    [{ runsForMs: Number.POSITIVE_INFINITY }, 'runsForMs'],
    [{ oomAfterMs: -1 }, 'oomAfterMs'],
    [{ onTerm: { exitCode: 1.5 } }, 'onTerm.exitCode'],
    [{ onSignal: { NOPE: 'exit' as const } }, 'signal'],
    [{ onKill: { afterMs: Number.NaN } }, 'onKill.afterMs'],
  ])('are refused when they make no sense: %j', (program, field) => {
    const { sim } = simulation()
    expect(() => {
      sim.program('c', program)
    }).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field }))
  })
})
