import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { defaultContainerLimits as limits, timerDelayMaxMs } from '../../src/machines/delays.ts'
import { endTrials } from './harness.ts'
import { places } from './places.ts'

afterEach(endTrials)

describe('stop', () => {
  it('sends the stop signal, gives the process its grace, then kills', async () => {
    const trial = await places.running()
    const stop = trial.stop(10_000)
    expect([trial.phase, trial.inFlight()]).toEqual(['stopping.signalling', ['signal stop']])
    await trial.done('signal')
    expect(trial.phase).toBe('stopping.grace')
    await trial.pass(9_999)
    expect(trial.phase).toBe('stopping.grace')
    await trial.pass(1)
    expect([trial.phase, trial.inFlight()]).toEqual(['stopping.killing', ['signal kill']])
    trial.exited(137)
    expect(trial.reply(stop)).toBe('waits')
    await trial.automatic('settle', 'record')
    expect([trial.phase, trial.reply(stop)]).toEqual(['stopped', 'done'])
    expect(trial.said.slice(-2)).toEqual(['exited', 'stop: done'])
  })

  it('is answered when the process takes the hint', async () => {
    const trial = await places['stopping.grace']()
    trial.exited(0)
    await trial.automatic('settle', 'record')
    expect([trial.phase, trial.killsMs]).toEqual(['stopped', []])
  })

  it.each(['fails', 'hangs'])('whose signal %s still kills in time', async (how) => {
    const trial = await places.running()
    trial.stop(30_000)
    await (how === 'fails' ? trial.fails('signal') : trial.pass(10_000))
    expect(trial.phase).toBe('stopping.grace')
    await trial.automatic('signal')
    await trial.pass(30_000 - trial.clock.now())
    expect(trial.killsMs).toEqual([30_000])
  })

  it.each([0, -1])('with a timeout of %i kills at once', async (timeoutMs) => {
    const trial = await places.running()
    trial.stop(timeoutMs)
    expect([trial.phase, trial.effects.at(-1)]).toEqual(['stopping.killing', 'signal kill'])
    expect(trial.effects).not.toContain('signal stop')
  })

  it('of a created container kills: its init is deaf to other signals', async () => {
    const trial = await places.created()
    const stop = trial.stop(10_000)
    expect(trial.inFlight()).toEqual(['signal kill'])
    trial.exited(137)
    await trial.automatic('settle', 'record')
    expect([trial.phase, trial.reply(stop)]).toEqual(['stopped', 'done'])
    expect(trial.events).toEqual(['created', 'exited'])
  })

  it('with an infinite timeout never escalates, and needs no timer', async () => {
    const trial = await places.running()
    await trial.automatic('signal')
    trial.stop(Number.POSITIVE_INFINITY)
    await trial.pass(0)
    expect([trial.phase, trial.clock.armed]).toEqual(['stopping.grace', 0])
    await trial.pass(1e15)
    expect(trial.killsMs).toEqual([])
    trial.stop(1_000)
    await trial.pass(1_000)
    expect(trial.killsMs).toEqual([1e15 + 1_000])
  })

  it.each([timerDelayMaxMs, timerDelayMaxMs + 1, 1e12])(
    'kills after exactly %i ms, more than one timer holds',
    async (timeoutMs) => {
      const trial = await places.running()
      await trial.automatic('signal')
      trial.stop(timeoutMs)
      await trial.pass(timeoutMs - 1)
      expect(trial.killsMs).toEqual([])
      await trial.pass(1)
      expect(trial.killsMs).toEqual([timeoutMs])
    },
  )

  it('that is repeated joins; whoever comes later cannot lengthen it', async () => {
    const trial = await places.running()
    await trial.automatic('signal', 'settle', 'record')
    const stops = [trial.stop(10_000), trial.stop(60_000)]
    await trial.pass(10_000)
    expect(trial.killsMs).toEqual([10_000])
    trial.exited(137)
    await trial.pass(0)
    expect(stops.map((stop) => trial.reply(stop))).toEqual(['done', 'done'])
    expect(trial.effects.filter((name) => name === 'signal stop')).toHaveLength(1)
  })

  it('kills when the first of all deadlines is reached', async () => {
    const timeoutMs = fc.oneof(
      fc.integer({ min: -1, max: 100 }),
      fc.constant(Number.POSITIVE_INFINITY),
      fc.constantFrom(timerDelayMaxMs, 1e10),
    )
    const requests = fc.array(fc.record({ gapMs: fc.integer({ min: 0, max: 60 }), timeoutMs }), {
      minLength: 1,
      maxLength: 8,
    })
    await fc.assert(
      fc.asyncProperty(requests, fc.constantFrom('running', 'starting', 'paused'), async (asked, place) => {
        const trial = await places[place]()
        await trial.automatic('signal', 'resume', ...(place === 'starting' ? [] : (['start'] as const)))
        let deadlineMs = Number.POSITIVE_INFINITY
        for (const { gapMs, timeoutMs: graceMs } of asked) {
          await trial.pass(gapMs)
          trial.stop(graceMs)
          deadlineMs = Math.min(deadlineMs, trial.clock.now() + Math.max(0, graceMs))
        }
        if (place === 'starting' && trial.phase === 'starting') await trial.automatic('start')
        await trial.pass(Math.min(deadlineMs, 3e10) + 1)
        expect(trial.killsMs[0] ?? Number.POSITIVE_INFINITY).toBe(deadlineMs)
        await endTrials()
      }),
    )
  })
})

describe('stop while starting', () => {
  it('waits for the start, then signals, and counts its grace from when it was asked', async () => {
    const trial = await places.created()
    const start = trial.command('start')
    trial.stop(10_000)
    await trial.pass(4_000)
    expect(trial.phase).toBe('starting')
    await trial.done('start')
    expect([trial.phase, trial.reply(start)]).toEqual(['stopping.signalling', 'done'])
    await trial.automatic('signal')
    await trial.pass(6_000)
    expect(trial.killsMs).toEqual([10_000])
  })

  it.each([0, 5_000])('gives up on the start when its time is up (%i ms)', async (timeoutMs) => {
    const trial = await places.created()
    const start = trial.command('start')
    trial.stop(timeoutMs)
    await trial.pass(timeoutMs)
    expect([trial.phase, trial.reply(start), trial.inFlight()]).toEqual([
      'stopping.killing',
      'ERR_CANCELLED',
      ['signal kill'],
    ])
  })

  it('may have a deadline further away than one timer holds', async () => {
    const trial = await places.starting({ limits: { startTimeoutMs: 1e11 } })
    trial.stop(1e10)
    await trial.pass(1e10 - 1)
    expect(trial.phase).toBe('starting')
    await trial.pass(1)
    expect(trial.killsMs).toEqual([1e10])
  })

  it('leaves no timer behind when the start fails', async () => {
    const trial = await places.starting()
    const stop = trial.stop(100_000)
    await trial.fails('start')
    await trial.automatic('cleanUp', 'record')
    expect([trial.phase, trial.reply(stop), trial.clock.armed]).toEqual(['stopped', 'done', 0])
  })
})

describe('stop of what may be frozen', () => {
  it.each(['paused', 'pausing', 'resuming', 'observing'] as const)('thaws first (%s)', async (place) => {
    const trial = await places[place]()
    trial.stop(10_000)
    expect([trial.phase, trial.inFlight()]).toEqual(['stopping.thawing', ['resume']])
    await trial.done('resume')
    expect([trial.phase, trial.inFlight()]).toEqual(['stopping.signalling', ['signal stop']])
  })

  it('thaws first even where KILL is due', async () => {
    const trial = await places.paused()
    trial.stop(0)
    await trial.pass(0)
    expect([trial.phase, trial.inFlight()]).toEqual(['stopping.thawing', ['resume']])
    await trial.done('resume')
    expect([trial.phase, trial.inFlight()]).toEqual(['stopping.killing', ['signal kill']])
  })

  it.each(['pausing', 'resuming'] as const)('cancels what freezes or thaws (%s)', async (place) => {
    const trial = await places[place]()
    const joined = trial.command(place === 'pausing' ? 'pause' : 'unpause')
    const queued = trial.command(place === 'pausing' ? 'unpause' : 'pause')
    trial.stop(Number.POSITIVE_INFINITY)
    expect([trial.reply(joined), trial.reply(queued)]).toEqual(['ERR_CANCELLED', 'ERR_CANCELLED'])
  })

  it('that cannot be thawed kills, thaws between the KILLs, then cleans up by force', async () => {
    const trial = await places.paused()
    trial.stop(10_000)
    await trial.fails('resume')
    await trial.automatic('signal')
    const before = trial.effects.length
    for (const pauseMs of [20, 40]) {
      await trial.pass(pauseMs)
      await trial.fails('resume')
    }
    await trial.pass(80)
    expect(trial.inFlight()).toEqual(['cleanUp'])
    expect(trial.effects.slice(before)).toEqual(['resume', 'signal kill', 'resume', 'signal kill', 'cleanUp'])
    trial.exited(137)
    await trial.automatic('settle', 'record')
    expect(trial.phase).toBe('stopped')
  })

  it('keeps its deadline during the thaw, however far away', async () => {
    const trial = await places.paused({ limits: { resumeTimeoutMs: 1e11 } })
    await trial.automatic('signal')
    trial.stop(1e10)
    await trial.pass(5e9)
    await trial.done('resume')
    await trial.pass(5e9)
    expect(trial.killsMs).toEqual([1e10])
  })

  it('kills when the thaw hangs', async () => {
    const trial = await places['stopping.thawing']()
    await trial.pass(limits.resumeTimeoutMs)
    expect([trial.phase, trial.inFlight()]).toEqual(['stopping.killing', ['signal kill']])
  })

  it('goes on killing when thaws hang', async () => {
    const trial = await places['stopping.thawing']()
    await trial.fails('resume')
    await trial.done('signal')
    await trial.pass(20)
    expect(trial.inFlight()).toEqual(['resume'])
    await trial.pass(limits.resumeTimeoutMs)
    expect(trial.inFlight()).toEqual(['signal kill'])
  })

  it.each(['works', 'fails', 'hangs'])('goes on killing when the clean-up by force %s', async (how) => {
    const trial = await places['stopping.thawing']()
    await trial.automatic('signal')
    await trial.fails('resume')
    for (const pauseMs of [20, 40]) {
      await trial.pass(pauseMs)
      await trial.fails('resume')
    }
    await trial.pass(80)
    const kills = trial.killsMs.length
    if (how === 'works') await trial.done('cleanUp')
    else await (how === 'fails' ? trial.fails('cleanUp') : trial.pass(30_000))
    expect(trial.killsMs).toHaveLength(kills + 1)
  })

  it('thaws what somebody else froze during the grace', async () => {
    const trial = await places['stopping.grace']()
    trial.observed('running')
    trial.observed('paused')
    expect(trial.phase).toBe('stopping.grace')
    await trial.pass(10_000)
    await trial.done('signal')
    await trial.pass(20)
    expect(trial.inFlight()).toEqual(['resume'])
  })

  it('that thaws while it is killed needs no force', async () => {
    const trial = await places.paused()
    trial.stop(10_000)
    await trial.fails('resume')
    await trial.automatic('signal', 'resume')
    const kills = trial.killsMs.length
    await trial.pass(20)
    expect(trial.effects.slice(-2)).toEqual(['resume', 'signal kill'])
    await trial.pass(1_000)
    expect(trial.killsMs.length).toBeGreaterThan(kills + 3)
    expect(trial.effects).not.toContain('cleanUp')
  })
})

describe('killing', () => {
  it('is repeated with pauses from 20 ms, doubling, up to 2 minutes', async () => {
    const trial = await places.running()
    await trial.automatic('signal')
    trial.stop(0)
    await trial.pass(1_000_000)
    const pausesMs = trial.killsMs.slice(1).map((atMs, i) => atMs - (trial.killsMs[i] ?? 0))
    expect(pausesMs.slice(0, 13)).toEqual([
      20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_120, 10_240, 20_480, 40_960, 81_920,
    ])
    expect(new Set(pausesMs.slice(13))).toEqual(new Set([120_000]))
  })

  it.each(['fails', 'hangs'])('goes on when the KILL %s', async (how) => {
    const trial = await places['stopping.killing']()
    await (how === 'fails' ? trial.fails('signal') : trial.pass(10_000))
    await trial.pass(20)
    expect(trial.inFlight()).toEqual(['signal kill'])
    expect(trial.killsMs).toHaveLength(2)
  })

  it('reports once, after 60 s, that the process does not die', async () => {
    const trial = await places['stopping.killing']()
    await trial.automatic('signal')
    await trial.pass(59_999)
    expect(trial.events).not.toContain('stopStuck')
    await trial.pass(1_000_000)
    expect(trial.published.filter(({ type }) => type === 'stopStuck')).toEqual([
      { type: 'stopStuck', killAttempts: 12 },
    ])
  })

  it('fails the stop after 120 s and goes on all the same', async () => {
    const trial = await places.running()
    await trial.automatic('signal', 'settle', 'record')
    const [stop, joined] = [trial.stop(0), trial.stop(0)]
    await trial.pass(119_999)
    expect(trial.reply(stop)).toBe('waits')
    await trial.pass(1)
    expect([trial.reply(stop), trial.reply(joined)]).toEqual(['ERR_STOP_STUCK', 'ERR_STOP_STUCK'])
    const kills = trial.killsMs.length
    await trial.pass(240_000)
    expect(trial.killsMs.length).toBeGreaterThan(kills)
    trial.exited(137)
    await trial.pass(0)
    expect(trial.phase).toBe('stopped')
  })

  it.each(['stop', 'delete'])('answers a later %s as well', async (verb) => {
    const trial = await places['stopping.killing']()
    await trial.automatic('signal')
    await trial.pass(200_000)
    const later = verb === 'stop' ? trial.stop(10_000) : trial.delete()
    await trial.pass(119_999)
    expect(trial.reply(later)).toBe('waits')
    await trial.pass(1)
    expect(trial.reply(later)).toBe('ERR_STOP_STUCK')
  })

  it('does not put off the answer of those who wait when others come', async () => {
    const trial = await places.running()
    await trial.automatic('signal')
    const remove = trial.delete()
    await trial.pass(100_000)
    const stop = trial.stop(0)
    await trial.pass(20_000)
    expect([trial.reply(remove), trial.reply(stop)]).toEqual(['ERR_STOP_STUCK', 'ERR_STOP_STUCK'])
  })

  it('that succeeds after all lets a later stop and delete succeed', async () => {
    const trial = await places['stopping.killing']()
    await trial.automatic('signal', 'settle', 'record', 'delete')
    await trial.pass(200_000)
    const [stop, remove] = [trial.stop(0), trial.delete()]
    trial.exited(137)
    await trial.pass(0)
    expect([trial.phase, trial.reply(stop), trial.reply(remove)]).toEqual(['deleted', 'done', 'done'])
  })
})

describe('an idle container', () => {
  it.each(['registered', 'failed', 'created', 'running', 'paused', 'stopped'] as const)(
    'that is %s needs no timer and no effect',
    async (place) => {
      const trial = await places[place]()
      expect([trial.clock.armed, trial.inFlight()]).toEqual([0, []])
    },
  )

  it('stopped in its grace needs none either', async () => {
    const trial = await places['stopping.grace']()
    trial.exited()
    await trial.automatic('settle', 'record')
    expect([trial.phase, trial.clock.armed]).toEqual(['stopped', 0])
  })
})
