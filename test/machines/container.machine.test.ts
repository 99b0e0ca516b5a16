/** The life of a container up to its process, and what may go wrong on the way. Stopping is `stopping.test.ts`. */
import { afterEach, describe, expect, it } from 'vitest'
import { defaultContainerLimits as limits, deferredCommandsMax } from '../../src/machines/delays.ts'
import { endTrials, times, Trial } from './harness.ts'
import { livePlaces, places } from './places.ts'

afterEach(endTrials)

const codeExit = (code: number) => ({
  kind: 'code',
  code,
  inferredSignal: undefined,
  oomKilled: false,
  finished: times.finished,
})

describe('create', () => {
  it('is answered once the runtime has created the container', async () => {
    const trial = new Trial()
    const create = trial.create()
    expect([trial.phase, trial.effects]).toEqual(['creating', ['create']])
    await trial.done('create')
    expect([trial.phase, trial.reply(create)]).toEqual(['created', 'done'])
    expect(trial.published).toEqual([{ type: 'created', pid: 42 }])
    expect(trial.context).toMatchObject({ cgroupParent: '/pods', created: times.created, init: { pid: 42 } })
  })

  it('that is repeated while in flight joins', async () => {
    const trial = new Trial()
    const creates = [trial.create(), trial.create()]
    await trial.done('create')
    expect(creates.map((create) => trial.reply(create))).toEqual(['done', 'done'])
    expect(trial.effects).toEqual(['create'])
  })

  it('that fails is cleaned up before it is answered', async () => {
    const trial = new Trial()
    const create = trial.create()
    await trial.fails('create', 'ERR_CREATE_FAILED')
    expect([trial.phase, trial.reply(create), trial.inFlight()]).toEqual(['cleaning', 'waits', ['cleanUp']])
    await trial.done('cleanUp')
    expect([trial.phase, trial.reply(create)]).toEqual(['failed', 'ERR_CREATE_FAILED'])
    expect(trial.events).toEqual(['failed'])
  })

  it('that takes too long is cleaned up and fails', async () => {
    const trial = new Trial()
    const create = trial.create()
    await trial.pass(239_999)
    expect(trial.phase).toBe('creating')
    await trial.pass(1)
    expect(trial.inFlight()).toEqual(['cleanUp'])
    await trial.done('cleanUp')
    expect([trial.phase, trial.reply(create)]).toEqual(['failed', 'ERR_TIMEOUT'])
    expect(trial.error(create)?.message).toContain('not created within 240000 ms')
  })

  it('is cancelled by stop, which is answered when nothing is left', async () => {
    const trial = new Trial()
    const [create, start, stop] = [trial.create(), trial.command('start'), trial.stop(10_000)]
    expect([trial.phase, trial.inFlight()]).toEqual(['cleaning', ['cleanUp']])
    await trial.done('cleanUp')
    expect([trial.phase, trial.reply(create), trial.reply(start), trial.reply(stop)]).toEqual([
      'failed',
      'ERR_CANCELLED',
      'ERR_CANCELLED',
      'done',
    ])
  })

  it('is cancelled by delete, which goes on after the clean-up', async () => {
    const trial = new Trial()
    const [create, remove] = [trial.create(), trial.delete()]
    await trial.done('cleanUp')
    expect([trial.phase, trial.reply(create)]).toEqual(['deleting', 'ERR_CANCELLED'])
    await trial.done('delete')
    expect([trial.phase, trial.reply(remove)]).toEqual(['deleted', 'done'])
    expect(trial.events).toEqual(['failed', 'deleted'])
  })

  it('whose clean-up fails is cleaned up again, with growing pauses, five times at most', async () => {
    const trial = await places['cleaning a create']()
    for (const pauseMs of [200, 400, 800, 1600]) {
      await trial.fails('cleanUp')
      await trial.pass(pauseMs - 1)
      expect(trial.inFlight()).toEqual([])
      await trial.pass(1)
    }
    expect(trial.inFlight()).toEqual(['cleanUp'])
    await trial.fails('cleanUp')
    expect(trial.phase).toBe('failed')
    expect(trial.effects.filter((name) => name === 'cleanUp')).toHaveLength(5)
  })

  it('whose clean-up hangs is cleaned up again', async () => {
    const trial = await places['cleaning a create']()
    await trial.pass(30_000)
    expect([trial.phase, trial.inFlight()]).toEqual(['cleaning', []])
    await trial.pass(200)
    await trial.done('cleanUp')
    expect(trial.phase).toBe('failed')
  })

  it('whose clean-up hangs every time is given up', async () => {
    const trial = await places['cleaning a create']()
    await trial.pass(5 * 30_000 + 200 + 400 + 800 + 1600)
    expect([trial.phase, trial.effects.filter((name) => name === 'cleanUp').length]).toEqual(['failed', 5])
  })
})

describe('start', () => {
  it('is answered once the process runs', async () => {
    const trial = await places.created()
    const start = trial.command('start')
    expect([trial.phase, trial.reply(start)]).toEqual(['starting', 'waits'])
    await trial.done('start')
    expect([trial.phase, trial.reply(start)]).toEqual(['running', 'done'])
    expect(trial.said.slice(-2)).toEqual(['started', 'start: done'])
    expect(trial.context.started).toBe(times.started)
  })

  it('refuses a delete without force at once, and goes on', async () => {
    const trial = await places.starting()
    const remove = trial.delete(false)
    expect([trial.phase, trial.reply(remove)]).toEqual(['starting', 'refused'])
    await trial.done('start')
    expect(trial.phase).toBe('running')
  })

  it('asked for while creating begins when that is done, once for all who ask', async () => {
    const trial = new Trial()
    const [create, ...starts] = [trial.create(), trial.command('start'), trial.command('start')]
    await trial.done('create')
    expect([trial.phase, trial.reply(create)]).toEqual(['starting', 'done'])
    await trial.done('start')
    expect(starts.map((start) => trial.reply(start))).toEqual(['done', 'done'])
    expect(trial.effects).toEqual(['create', 'start'])
  })

  it('that fails is answered with its own error, cleaned up, stopped, and is no exit', async () => {
    const trial = await places.created()
    const start = trial.command('start')
    await trial.fails('start', 'ERR_COMMAND_NOT_FOUND')
    expect([trial.phase, trial.inFlight()]).toEqual(['cleaning', ['cleanUp']])
    await trial.done('cleanUp')
    expect(trial.inFlight()).toEqual(['record'])
    await trial.done('record')
    expect([trial.phase, trial.reply(start)]).toEqual(['stopped', 'ERR_COMMAND_NOT_FOUND'])
    expect(trial.events).toEqual(['created', 'failed'])
    expect(trial.context).toMatchObject({
      started: times.created,
      exit: { kind: 'unknown', why: 'start-failed', finished: times.created, oomKilled: false },
      error: { code: 'ERR_COMMAND_NOT_FOUND' },
    })
  })

  it('that takes too long takes the same way', async () => {
    const trial = await places.created()
    const start = trial.command('start')
    await trial.pass(60_000)
    await trial.automatic('cleanUp', 'record')
    expect([trial.phase, trial.reply(start)]).toEqual(['stopped', 'ERR_TIMEOUT'])
    expect(trial.events).not.toContain('exited')
  })

  it('that fails although the exit was reported is still no exit', async () => {
    const trial = await places.starting()
    trial.exited(1)
    await trial.fails('start')
    await trial.automatic('cleanUp', 'record')
    expect([trial.phase, trial.context.exit?.kind]).toEqual(['stopped', 'unknown'])
    expect(trial.events).toEqual(['created', 'failed'])
  })

  it('asked for while a failed one is cleaned up fails as that one does', async () => {
    const trial = await places['cleaning a start']()
    const start = trial.command('start')
    await trial.automatic('cleanUp', 'record')
    expect(trial.reply(start)).toBe('ERR_COMMAND_NOT_FOUND')
  })

  it('keeps a pause for later', async () => {
    const trial = await places.starting()
    const pause = trial.command('pause')
    await trial.done('start')
    expect(trial.phase).toBe('pausing')
    await trial.done('pause')
    expect(trial.reply(pause)).toBe('done')
  })
})

describe('an exit', () => {
  it('reported while creating is kept: the container is created, then ends, and was never started', async () => {
    const trial = new Trial()
    const create = trial.create()
    trial.exited(3)
    await trial.done('create')
    expect([trial.phase, trial.reply(create)]).toEqual(['exiting', 'done'])
    await trial.automatic('settle', 'record')
    expect([trial.phase, trial.context.exit]).toEqual(['stopped', codeExit(3)])
    expect(trial.events).toEqual(['created', 'exited'])
  })

  it.each(['exited', 'gone'] as const)('while starting waits for the start to be known (%s)', async (how) => {
    const trial = await places.starting()
    trial[how]()
    expect(trial.phase).toBe('starting')
    await trial.done('start')
    expect([trial.phase, trial.said.slice(-2)]).toEqual(['exiting', ['started', 'start: done']])
    await trial.automatic('settle', 'record')
    await trial.pass(limits.exitFileWaitMs)
    expect(trial.events).toEqual(['created', 'started', 'exited'])
  })

  it.each(livePlaces)('wins in %s', async (place) => {
    const trial = await places[place]()
    trial.exited(7)
    expect(trial.phase).toBe('exiting')
    await trial.automatic('settle', 'record')
    expect([trial.phase, trial.context.exit]).toEqual(['stopped', codeExit(7)])
  })

  it.each(livePlaces)('is looked for when the process is gone in %s', async (place) => {
    const trial = await places[place]()
    trial.gone()
    expect([trial.phase, trial.inFlight()]).toEqual(['exiting', []])
    trial.exited(7)
    await trial.automatic('settle', 'record')
    expect([trial.phase, trial.context.exit]).toEqual(['stopped', codeExit(7)])
  })

  it.each([...livePlaces, 'starting'] as const)(
    'is believed when the runtime says so in %s',
    async (place) => {
      const trial = await places[place]()
      trial.observed(place === 'paused' ? 'absent' : 'stopped')
      await trial.automatic('start', 'settle', 'record')
      await trial.pass(limits.exitFileWaitMs)
      expect(trial.phase).toBe('stopped')
      expect(trial.context.exit).toMatchObject({ kind: 'unknown', why: 'no-exit-file', finished: times.gone })
    },
  )

  it('that nobody reports is unknown after a minute, and not before', async () => {
    const trial = await places.running()
    await trial.automatic('settle', 'record')
    trial.gone()
    await trial.pass(limits.exitFileWaitMs - 1)
    expect(trial.phase).toBe('exiting')
    await trial.pass(1)
    expect(trial.published.at(-1)).toEqual({
      type: 'exited',
      exit: { kind: 'unknown', why: 'no-exit-file', oomKilled: false, finished: times.gone },
      durable: true,
    })
  })

  it('whose monitor died first is unknown at once', async () => {
    const trial = await places.running()
    trial.monitorLost()
    await trial.automatic('settle', 'record')
    trial.gone()
    await trial.pass(0)
    expect(trial.context.exit).toMatchObject({ kind: 'unknown', why: 'monitor-lost' })
    expect(trial.events).toEqual(['created', 'started', 'monitorLost', 'exited'])
  })

  it('whose monitor dies while its file is waited for is unknown at once', async () => {
    const trial = await places.running()
    trial.gone()
    trial.monitorLost()
    expect(trial.inFlight()).toEqual(['settle'])
    await trial.automatic('settle', 'record')
    expect(trial.context.exit).toMatchObject({ kind: 'unknown', why: 'monitor-lost' })
  })

  it.each(['done', 'fails'] as const)(
    'reported while the unknown one is settled is not lost (%s)',
    async (how) => {
      const trial = await places.running()
      trial.gone()
      await trial.pass(limits.exitFileWaitMs)
      expect(trial.inFlight()).toEqual(['settle'])
      trial.exited(7)
      await trial[how]('settle')
      await trial.done('record')
      expect(trial.published.at(-1)).toEqual({ type: 'exited', exit: codeExit(7), durable: true })
    },
  )

  it.each(['created', 'running'] as const)(
    'is not what the runtime means by %s while starting',
    async (status) => {
      const trial = await places.starting()
      trial.observed(status)
      await trial.done('start')
      expect(trial.phase).toBe('running')
    },
  )

  it('reported twice counts once, the first time', async () => {
    const trial = await places.running()
    trial.exited(1)
    trial.exited(2)
    await trial.automatic('settle', 'record')
    trial.exited(3)
    expect(trial.context.exit).toEqual(codeExit(1))
    expect(trial.events.filter((type) => type === 'exited')).toHaveLength(1)
  })

  it('is published only when it is recorded, with the evidence of the settling', async () => {
    const trial = await places.exiting()
    const exit = { ...codeExit(137), kind: 'code', inferredSignal: 9, oomKilled: true } as const
    await trial.done('settle', exit)
    expect([trial.events.includes('exited'), trial.inFlight()]).toEqual([false, ['record']])
    await trial.done('record')
    expect(trial.published.at(-1)).toEqual({ type: 'exited', exit, durable: true })
  })

  it.each(['fails', 'hangs'])('is published without evidence when settling %s', async (how) => {
    const trial = await places.exiting()
    await (how === 'fails' ? trial.fails('settle') : trial.pass(limits.settleTimeoutMs))
    await trial.done('record')
    expect(trial.published.at(-1)).toEqual({ type: 'exited', exit: codeExit(0), durable: true })
  })

  it.each(['fails', 'hangs'])('is published as not durable when recording %s', async (how) => {
    const trial = await places.exiting()
    await trial.done('settle')
    await (how === 'fails' ? trial.fails('record', 'ERR_IO') : trial.pass(limits.recordTimeoutMs))
    expect([trial.phase, trial.published.at(-1)]).toEqual([
      'stopped',
      { type: 'exited', exit: codeExit(0), durable: false },
    ])
  })

  it.each([
    [128, undefined],
    [129, 1],
    [137, 9],
    [192, 64],
    [193, undefined],
    [255, undefined],
  ])('with code %i has the inferred signal %s', async (code, inferredSignal) => {
    const trial = await places.running()
    trial.exited(code)
    await trial.automatic('settle', 'record')
    expect(trial.context.exit).toEqual({ ...codeExit(code), inferredSignal })
  })

  it('refuses a start that waited for a container which has ended meanwhile', async () => {
    const trial = new Trial()
    trial.create()
    const start = trial.command('start')
    trial.exited(3)
    await trial.done('create')
    expect([trial.phase, trial.reply(start), trial.effects]).toEqual([
      'exiting',
      'refused',
      ['create', 'settle'],
    ])
  })

  it('fails what needed the process and lets the stop succeed', async () => {
    const trial = await places.running()
    const [pause, unpause] = [trial.command('pause'), trial.command('unpause')]
    trial.exited()
    expect([trial.reply(pause), trial.reply(unpause)]).toEqual(['ERR_NOT_RUNNING', 'ERR_NOT_RUNNING'])
    const stop = trial.stop(10_000)
    await trial.automatic('settle', 'record')
    expect(trial.reply(stop)).toBe('done')
  })
})

describe('pause and unpause', () => {
  it('are answered when done, each with its event', async () => {
    const trial = await places.running()
    const pauses = [trial.command('pause'), trial.command('pause')]
    await trial.done('pause')
    expect([trial.phase, ...pauses.map((pause) => trial.reply(pause))]).toEqual(['paused', 'done', 'done'])
    const unpause = trial.command('unpause')
    await trial.done('resume')
    expect([trial.phase, trial.reply(unpause)]).toEqual(['running', 'done'])
    expect(trial.events).toEqual(['created', 'started', 'paused', 'resumed'])
    expect(trial.effects).toEqual(['create', 'start', 'pause', 'resume'])
  })

  it('queue behind each other in order', async () => {
    const trial = await places.running()
    const asked = [trial.command('pause'), trial.command('unpause'), trial.command('pause')]
    await trial.automatic('pause', 'resume')
    expect(trial.effects).toEqual(['create', 'start', 'pause', 'resume'])
    expect(asked.map((request) => trial.reply(request))).toEqual(['done', 'done', 'done'])
  })

  const verdicts = [
    { place: 'pausing', effect: 'pause', status: 'paused', phase: 'paused', events: ['paused'] },
    { place: 'pausing', effect: 'pause', status: 'running', phase: 'running', events: [] },
    { place: 'pausing', effect: 'pause', status: 'stopped', phase: 'exiting', events: [] },
    { place: 'pausing', effect: 'pause', status: 'absent', phase: 'exiting', events: [] },
    { place: 'resuming', effect: 'resume', status: 'paused', phase: 'paused', events: ['paused'] },
    {
      place: 'resuming',
      effect: 'resume',
      status: 'running',
      phase: 'running',
      events: ['paused', 'resumed'],
    },
    { place: 'resuming', effect: 'resume', status: 'stopped', phase: 'exiting', events: ['paused'] },
  ] as const
  it.each([
    ['pausing', 'pause', 'pauseContainer'],
    ['resuming', 'unpause', 'unpauseContainer'],
  ] as const)(
    'that hang while %s are said to be of the verb %s that was asked for',
    async (place, verb, operation) => {
      const trial = await places[place]()
      const joined = trial.command(verb)
      await trial.pass(limits[`${place === 'pausing' ? 'pause' : 'resume'}TimeoutMs`])
      expect(trial.error(joined)).toMatchObject({ code: 'ERR_TIMEOUT', operation })
    },
  )

  const failures = [
    { how: 'fails', code: 'ERR_RUNTIME_FAILED' },
    { how: 'hangs', code: 'ERR_TIMEOUT' },
  ] as const

  it.each(failures.flatMap((failure) => verdicts.map((verdict) => ({ ...failure, ...verdict }))))(
    'where $effect $how and the freezer says $status end in $phase',
    async ({ how, code, place, effect, status, phase, events }) => {
      const trial = await places[place]()
      const joined = trial.command(place === 'pausing' ? 'pause' : 'unpause')
      await (how === 'fails' ? trial.fails(effect) : trial.pass(limits[`${effect}TimeoutMs`]))
      expect([trial.phase, trial.reply(joined)]).toEqual(['observing', code])
      await trial.done('observe', { status, at: times.gone })
      expect(trial.phase).toBe(phase)
      expect(trial.context.goneAt).toBe(phase === 'exiting' ? times.gone : undefined)
      expect(trial.events.slice(2)).toEqual(events)
    },
  )

  it('keep asking the freezer until it answers, with growing pauses, anew each time', async () => {
    const trial = await places.observing()
    for (const place of ['paused', 'running'] as const) {
      await trial.fails('observe')
      await trial.pass(199)
      expect(trial.inFlight()).toEqual([])
      await trial.pass(1)
      await trial.pass(limits.observeTimeoutMs + 399)
      expect(trial.inFlight()).toEqual([])
      await trial.pass(1)
      await trial.done('observe', { status: place, at: times.gone })
      expect(trial.phase).toBe(place)
      if (place === 'running') break
      trial.command('unpause')
      await trial.fails('resume')
    }
  })

  it('asked for while observing go on from the verdict', async () => {
    const trial = await places.observing()
    const unpause = trial.command('unpause')
    await trial.done('observe', { status: 'paused', at: times.gone })
    expect(trial.phase).toBe('resuming')
    await trial.done('resume')
    expect(trial.reply(unpause)).toBe('done')
  })

  it('done by somebody else are noticed', async () => {
    const trial = await places.running()
    trial.observed('running')
    expect(trial.phase).toBe('running')
    trial.observed('paused')
    trial.observed('paused')
    expect(trial.phase).toBe('paused')
    trial.observed('running')
    expect([trial.phase, trial.events]).toEqual(['running', ['created', 'started', 'paused', 'resumed']])
  })

  it('are not queued without limit', async () => {
    const trial = await places.pausing()
    const asked = Array.from({ length: deferredCommandsMax + 1 }, () => trial.command('unpause'))
    expect(asked.map((request) => trial.reply(request)).filter((reply) => reply !== 'waits')).toEqual([
      'ERR_BUSY',
    ])
  })
})

describe('the end of the monitor', () => {
  it('in created leads to clean-up: a start would give no exit and no log', async () => {
    const trial = await places.created()
    trial.monitorLost()
    expect([trial.phase, trial.inFlight()]).toEqual(['cleaning', ['cleanUp']])
    await trial.automatic('cleanUp', 'record')
    expect([trial.phase, trial.context.exit]).toEqual([
      'stopped',
      { kind: 'unknown', why: 'monitor-lost', oomKilled: false, finished: times.gone },
    ])
    expect(trial.events).toEqual(['created', 'monitorLost', 'failed'])
    expect(trial.context.error?.code).toBe('ERR_MONITOR_LOST')
  })

  it.each(['starting', ...livePlaces.slice(1)] as const)('changes nothing else in %s', async (place) => {
    const trial = await places[place]()
    const before = trial.inFlight()
    trial.monitorLost()
    trial.monitorLost()
    expect([trial.phase, trial.monitor, trial.inFlight()]).toEqual([place, 'lost', before])
    expect(trial.events.filter((type) => type === 'monitorLost')).toHaveLength(1)
  })
})

describe('delete', () => {
  it('of a stopped container is answered when nothing is left', async () => {
    const trial = await places.stopped()
    const removes = [trial.delete(), trial.delete(false)]
    await trial.done('delete')
    expect([trial.phase, ...removes.map((remove) => trial.reply(remove))]).toEqual([
      'deleted',
      'done',
      'done',
    ])
    expect(trial.effects.filter((name) => name === 'delete')).toHaveLength(1)
  })

  it.each(livePlaces)('kills in %s, records the exit, then deletes', async (place) => {
    const trial = await places[place]()
    const remove = trial.delete()
    await trial.automatic('resume', 'signal')
    await trial.pass(0)
    expect([trial.phase, trial.effects.at(-1)]).toEqual(['stopping.killing', 'signal kill'])
    trial.exited(137)
    await trial.automatic('settle', 'record')
    expect([trial.phase, trial.reply(remove)]).toEqual(['deleting', 'waits'])
    await trial.done('delete')
    expect([trial.phase, trial.reply(remove)]).toEqual(['deleted', 'done'])
  })

  it('while starting cancels the start', async () => {
    const trial = await places.created()
    const start = trial.command('start')
    const remove = trial.delete()
    expect([trial.phase, trial.reply(start), trial.inFlight()]).toEqual([
      'stopping.killing',
      'ERR_CANCELLED',
      ['signal kill'],
    ])
    trial.exited(137)
    await trial.automatic('settle', 'record', 'delete')
    expect(trial.reply(remove)).toBe('done')
  })

  it('finds room behind a full queue', async () => {
    const trial = await places.starting()
    for (let i = 0; i < deferredCommandsMax; i++) trial.command('pause')
    const remove = trial.delete()
    expect([trial.phase, trial.reply(remove)]).toEqual(['stopping.killing', 'waits'])
    trial.exited(137)
    await trial.automatic('settle', 'record', 'delete')
    expect(trial.reply(remove)).toBe('done')
  })

  it('asked for several times while stopping is answered to all', async () => {
    const trial = await places['stopping.grace']()
    const removes = [trial.delete(), trial.delete(), trial.delete(false)]
    trial.exited()
    await trial.automatic('settle', 'record', 'delete')
    expect(removes.map((remove) => trial.reply(remove))).toEqual(['done', 'done', 'refused'])
  })

  it.each([
    ['stopped', 'stopped'],
    ['failed', 'failed'],
  ] as const)(
    'that fails five times leaves a %s container as it was, with the error',
    async (place, phase) => {
      const trial = await places[place]()
      const removes = [trial.delete(), trial.delete()]
      for (const pauseMs of [200, 400, 800, 1600]) {
        await trial.fails('delete')
        expect([trial.phase, trial.inFlight()]).toEqual(['deleting', []])
        await trial.pass(pauseMs)
      }
      await trial.pass(30_000)
      expect([trial.phase, ...removes.map((remove) => trial.reply(remove))]).toEqual([
        phase,
        'ERR_TIMEOUT',
        'ERR_TIMEOUT',
      ])
      expect(trial.context.error?.code).toBe('ERR_TIMEOUT')
      const again = trial.delete()
      await trial.done('delete')
      expect([trial.phase, trial.reply(again)]).toEqual(['deleted', 'done'])
    },
  )

  it('that works at the second attempt is no error', async () => {
    const trial = await places.stopped()
    const remove = trial.delete()
    await trial.fails('delete')
    await trial.pass(200)
    await trial.done('delete')
    expect(trial.reply(remove)).toBe('done')
  })
})

describe('adoption', () => {
  it.each(['created', 'running', 'paused', 'stopped'] as const)('resumes in %s', (phase) => {
    const trial = new Trial({ adopt: { phase } })
    expect([trial.phase, trial.effects, trial.said]).toEqual([phase, [], []])
  })

  it.each(['running', 'paused'] as const)(
    'knows that the monitor of a %s container is lost',
    async (phase) => {
      const trial = new Trial({ adopt: { phase, started: times.started, monitorLostAt: times.gone } })
      expect([trial.phase, trial.monitor]).toEqual([phase, 'lost'])
      trial.gone()
      await trial.automatic('settle', 'record')
      expect(trial.context.exit).toMatchObject({ why: 'monitor-lost' })
    },
  )

  it('cleans up a created container without a monitor', async () => {
    const trial = new Trial({ adopt: { phase: 'created', monitorLostAt: times.gone } })
    expect([trial.phase, trial.inFlight()]).toEqual(['cleaning', ['cleanUp']])
    await trial.automatic('cleanUp', 'record')
    expect([trial.phase, trial.context.error?.code]).toEqual(['stopped', 'ERR_MONITOR_LOST'])
  })

  it('thaws a paused container before it stops it', () => {
    const trial = new Trial({ adopt: { phase: 'paused' } })
    trial.stop(10_000)
    expect(trial.inFlight()).toEqual(['resume'])
  })

  it('leads on like any other life', async () => {
    const trial = new Trial({ adopt: { phase: 'created' } })
    await trial.automatic('start', 'settle', 'record', 'delete')
    const start = trial.command('start')
    await trial.pass(0)
    trial.exited(0)
    await trial.pass(0)
    const remove = trial.delete()
    await trial.pass(0)
    expect([trial.reply(start), trial.reply(remove)]).toEqual(['done', 'done'])
    expect(trial.events).toEqual(['started', 'exited', 'deleted'])
  })
})
