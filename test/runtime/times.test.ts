/** Times of one container, whatever happens to the wall clock, and when a state of before a restart began. */
import { describe, expect, it } from 'vitest'
import type { Container } from '../../src/index.ts'
import { openRestartStage } from './restart-stage.ts'
import { openStage } from './stage.ts'

const hourMs = 3_600_000
const epoch = Date.parse('2020-01-01T00:00:00Z')

/** In milliseconds since the epoch of the clock. */
function timesOf({ state }: Container): readonly (number | undefined)[] {
  return [state.created, state.started, state.finished].map((time) =>
    time === undefined ? undefined : Date.parse(time) - epoch,
  )
}

function sinceOf({ since }: Container): number {
  return Date.parse(since) - epoch
}

describe('the times of a container', () => {
  it('are those of the wall clock: its start is when it was asked for', async () => {
    const { runtime, sim, clock, created } = await openStage()
    const container = await created({ runsForMs: 500 })
    sim.inject(container.id, { effect: 'start', fault: 'late', delayMs: 700 })
    await clock.advance(100)
    await clock.runUntil(runtime.startContainer(container))
    await clock.runUntil(runtime.waitContainer(container))
    expect(timesOf(container)).toEqual([0, 100, 1300])
  })

  it('do not run backwards where it ends before the runtime says that it has started', async () => {
    const { runtime, clock, created } = await openStage({
      wrap: (sim) => {
        const start = sim.start.bind(sim)
        sim.start = async (...given) => {
          await start(...given)
          await new Promise((resolve) => clock.setTimeout(() => resolve(undefined), 50))
        }
        return sim
      },
    })
    const container = await created({ runsForMs: 10 })
    await clock.advance(5)
    await clock.runUntil(runtime.startContainer(container))
    await clock.runUntil(runtime.waitContainer(container))
    expect(timesOf(container)).toEqual([0, 5, 15])
  })

  it.each([
    ['its start', [0, 0, 0], 'created'],
    ['its exit', [0, 20, 20], 'started'],
  ] as const)('stand still where the wall clock is set back before %s', async (_, expected, after) => {
    const { runtime, clock, created, events } = await openStage()
    const container = await created({ runsForMs: 100 })
    await clock.advance(20)
    if (after === 'created') clock.shiftWallClock(-hourMs)
    await clock.runUntil(runtime.startContainer(container))
    if (after === 'started') clock.shiftWallClock(-hourMs)
    const exit = await clock.runUntil(runtime.waitContainer(container))
    expect(timesOf(container)).toEqual(expected)
    expect(exit.finished).toBe(container.state.finished)
    // How long it ran is what the monotonic clock says.
    const left = events.find((event) => event.type === 'phase' && event.from === 'running')
    expect(left).toMatchObject({ inPhaseMs: 100 })
  })

  it('of one that somebody else has started are when that was seen', async () => {
    const { runtime, clock, sim, created } = await openStage()
    const container = await created()
    clock.shiftWallClock(-hourMs)
    sim.startFromOutside(container.id)
    await runtime.updateContainerStatus(container)
    sim.exitNow(container.id, 0)
    await clock.runUntil(runtime.waitContainer(container))
    expect(timesOf(container)).toEqual([0, 0, 0])
  })
})

describe('since when a container is as it is', () => {
  it('survives a restart, and the phase that ends then has lasted since before it', async () => {
    const stage = openRestartStage()
    const { clock } = stage
    const { runtime } = await stage.boot()
    const [waits, runs, sleeps, ended] = [
      stage.describe('waits'),
      stage.describe('runs'),
      stage.describe('sleeps'),
      stage.describe('ended', { runsForMs: 10 }),
    ]
    const all = [waits, runs, sleeps, ended]
    for (const each of all) await clock.runUntil(runtime.createContainer(each))
    await clock.advance(1000)
    for (const each of all.slice(1)) await clock.runUntil(runtime.startContainer(each))
    await clock.advance(1000)
    await clock.runUntil(runtime.pauseContainer(sleeps))
    await clock.runUntil(runtime.waitContainer(ended))
    await clock.advance(1000)
    await stage.crash()
    await clock.advance(60_000)

    const second = await stage.boot()
    expect(all.map(({ id }) => sinceOf(second.get(id)))).toEqual([0, 1000, 2000, 1010])
    await clock.advance(1000)
    const left: unknown[] = []
    second.runtime.events$.subscribe((event) => left.push(event))
    await clock.runUntil(second.runtime.unpauseContainer(second.get('sleeps')))
    expect(left).toContainEqual(expect.objectContaining({ type: 'phase', from: 'paused', inPhaseMs: 62_000 }))
    await stage.crash()
    // And another one, of states that have not changed.
    const third = await stage.boot()
    expect(sinceOf(third.get('runs'))).toBe(1000)
    expect(sinceOf(third.get('sleeps'))).toBe(64_000)
  })

  it('is the time of the restart for what changed while nobody looked', async () => {
    const stage = openRestartStage()
    const { runtime } = await stage.boot()
    const web = stage.describe('web')
    await stage.clock.runUntil(runtime.createContainer(web))
    await stage.clock.runUntil(runtime.startContainer(web))
    await stage.crash()
    await stage.clock.advance(5000)
    stage.sim.freezeFromOutside('web')
    const second = await stage.boot()
    expect(second.get('web').phase).toBe('paused')
    expect(sinceOf(second.get('web'))).toBe(5000)
  })
})
