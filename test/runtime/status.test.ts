import { merge, Subject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { ExitFact, ExitSource } from '../../src/impl/runtime-impl.ts'
import { OciError } from '../../src/index.ts'
import { defaultContainerLimits } from '../../src/machines/delays.ts'
import { deaf, openStage, refusalOf } from './stage.ts'
import { places, ways } from './ways.ts'

describe('updateContainerStatus', () => {
  it('asks no runtime as long as the world is as it is believed to be', async () => {
    const { runtime, created, calls } = await openStage()
    const container = await created()
    await runtime.updateContainerStatus(container)
    await runtime.startContainer(container)
    await runtime.updateContainerStatus(container)
    await runtime.pauseContainer(container)
    await runtime.updateContainerStatus(container)
    expect(container.phase).toBe('paused')
    expect(calls('observe')).toBe(0)
  })

  it('sees a freeze and a thaw by somebody else, asking the runtime once each', async () => {
    const { runtime, started, sim, calls, told } = await openStage()
    const container = await started()
    sim.freezeFromOutside(container.id)
    await runtime.updateContainerStatus(container)
    expect(container.status).toBe('paused')
    sim.thawFromOutside(container.id)
    await runtime.updateContainerStatus(container)
    expect(container.status).toBe('running')
    expect(calls('observe')).toBe(2)
    expect(told(container)).toEqual(['created', 'started', 'paused', 'resumed'])
  })

  it('asks the runtime where freezers cannot be seen', async () => {
    const { runtime, started, calls } = await openStage({
      wrap: (sim) => Object.assign(sim, { isFrozen: () => Promise.resolve(undefined) }),
    })
    const container = await started()
    await runtime.updateContainerStatus(container)
    expect(calls('observe')).toBe(1)
  })

  it('finds the exit that nobody has told of yet, and resolves once it is recorded', async () => {
    const { runtime, started, sim } = await openStage()
    const container = await started()
    sim.exitNow(container.id, 9)
    await runtime.updateContainerStatus(container)
    expect(container.state).toMatchObject({ status: 'stopped', exitCode: 9 })
  })

  it('notices a process that is gone although its monitor says nothing', async () => {
    const { runtime, clock, started, sim } = await openStage()
    const container = await started()
    sim.killProcessSilently(container.id)
    await clock.runUntil(runtime.updateContainerStatus(container))
    expect(container.state.exit).toMatchObject({ kind: 'unknown', why: 'no-exit-file' })
    // The exit file is waited for.
    expect(clock.now()).toBe(defaultContainerLimits.exitFileWaitMs)
  })

  it('believes what the monitor wrote down and could not report', async () => {
    const finished = '2026-01-01T00:00:03.000000000Z'
    const { runtime, clock, started, sim } = await openStage({
      wrap: (inner) => Object.assign(inner, { unreportedExit: () => Promise.resolve({ code: 7, finished }) }),
    })
    const container = await started()
    sim.killProcessSilently(container.id)
    await clock.runUntil(runtime.updateContainerStatus(container))
    expect(container.state.exit).toMatchObject({ kind: 'code', code: 7, finished })
  })

  it('believes an exit that is found only when the time for it is over', async () => {
    const late$ = new Subject<ExitFact>()
    let late: ExitFact | undefined
    const { runtime, clock, started, sim } = await openStage({
      wrap: (inner) => {
        const { exits } = inner
        const scan = async (): Promise<void> => {
          if (late !== undefined) late$.next(late)
          await exits.scan()
        }
        const wrapped: ExitSource = {
          exits$: merge(exits.exits$, late$),
          scan,
          expect: (id) => exits.expect(id),
          urgent: (id, waiting) => exits.urgent(id, waiting),
          discard: (id) => exits.discard(id),
        }
        return Object.assign(inner, { exits: wrapped })
      },
    })
    const container = await started()
    sim.killProcessSilently(container.id)
    const seen = runtime.updateContainerStatus(container)
    await clock.settle()
    expect(container.phase).toBe('exiting')
    // No hint tells of it, as after a stall of the event loop.
    late = { id: container.id, code: 7, finished: '2026-01-01T00:00:03.000000000Z' }
    await clock.runUntil(seen)
    expect(container.state.exit).toMatchObject({ kind: 'code', code: 7 })
  })

  it('ends the commands of a container before its end is told', async () => {
    const order: string[] = []
    const { runtime, clock, started, sim } = await openStage({
      wrap: (inner) => {
        const endAll = inner.execs.endAll.bind(inner.execs)
        inner.execs.endAll = async (...given) => {
          order.push('commands')
          return endAll(...given)
        }
        return inner
      },
    })
    const container = await started()
    runtime.events$.subscribe(({ type }) => {
      if (type === 'exited') order.push(type)
    })
    sim.exitNow(container.id, 0)
    await clock.runUntil(runtime.waitContainer(container))
    expect(order).toEqual(['commands', 'exited'])
  })

  it('does so during a stop too', async () => {
    const { runtime, clock, started, sim } = await openStage()
    const container = await started(deaf)
    const stop = runtime.stopContainer(container, 3600)
    await clock.settle()
    sim.killProcessSilently(container.id)
    await clock.runUntil(runtime.updateContainerStatus(container))
    await stop
    expect(clock.now()).toBe(defaultContainerLimits.exitFileWaitMs)
  })

  it.each(['fail', 'hang'] as const)('changes nothing when to observe should %s', async (fault) => {
    const { runtime, clock, started, sim } = await openStage()
    const container = await started()
    sim.freezeFromOutside(container.id)
    sim.inject(container.id, { effect: 'observe', fault })
    const before = container.state
    const { code } = await clock.runUntil(refusalOf(runtime.updateContainerStatus(container)))
    expect(code).toBe(fault === 'fail' ? 'ERR_RUNTIME_FAILED' : 'ERR_TIMEOUT')
    expect(container.state).toEqual(before)
    await runtime.updateContainerStatus(container)
    expect(container.phase).toBe('paused')
    expect(clock.pending).toBe(0)
  })

  it('changes nothing when the exits cannot be looked for', async () => {
    const { runtime, started, sim } = await openStage()
    const container = await started()
    sim.exits.scan = () => Promise.reject(new OciError('ERR_IO', 'no such directory'))
    expect((await refusalOf(runtime.updateContainerStatus(container))).code).toBe('ERR_IO')
    expect(container.phase).toBe('running')
  })

  it('takes no lost record of the runtime for the end of a process that lives', async () => {
    const { runtime, started, sim } = await openStage()
    const container = await started()
    sim.freezeFromOutside(container.id)
    sim.observe = () => Promise.resolve({ status: 'absent', init: undefined })
    const { code, message } = await refusalOf(runtime.updateContainerStatus(container))
    expect(code).toBe('ERR_RUNTIME_FAILED')
    expect(message).toContain('lives')
    expect(container.phase).toBe('running')
  })

  it('ignores what was seen before the container changed', async () => {
    const { runtime, clock, started, sim } = await openStage()
    const container = await started()
    sim.freezeFromOutside(container.id)
    const observing = Promise.withResolvers<{ status: 'paused'; init: undefined }>()
    const observe = sim.observe.bind(sim)
    sim.observe = () => observing.promise
    const refresh = runtime.updateContainerStatus(container)
    await clock.settle()
    sim.observe = observe
    // Meanwhile it is paused and resumed by us: what was seen is no more.
    await runtime.pauseContainer(container)
    await runtime.unpauseContainer(container)
    observing.resolve({ status: 'paused', init: undefined })
    await refresh
    expect(container.phase).toBe('running')
  })

  it('looks once for all who ask at once, and once more for those who ask meanwhile', async () => {
    const { runtime, started, sim } = await openStage()
    let scans = 0
    const scan = sim.exits.scan.bind(sim.exits)
    sim.exits.scan = async () => {
      scans += 1
      await scan()
    }
    const container = await started()
    await Promise.all(Array.from({ length: 1000 }, () => runtime.updateContainerStatus(container)))
    expect(scans).toBe(2)
    await runtime.updateContainerStatus(container)
    expect(scans).toBe(3)
  })

  it.each(places.filter((place) => place !== 'exiting'))(
    'does no harm to a container that is %s',
    async (place) => {
      const stage = await openStage()
      const container = await ways[place](stage)
      await stage.runtime.updateContainerStatus(container)
      expect(container.phase).toBe(place)
    },
  )
})
