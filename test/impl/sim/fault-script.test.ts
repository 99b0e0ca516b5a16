import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Container } from '../../../src/container.ts'
import { isOciError, OciError } from '../../../src/errors/index.ts'
import type { SimulatedEffect, SimulatedFault, SimulatedRuntime } from '../../../src/testing.ts'
import { containerOf, simulation } from './fixture.ts'

function callOf(sim: SimulatedRuntime, container: Container, signal: AbortSignal) {
  const options = { signal }
  const command = { argv: ['true'] }
  const init = { pid: sim.world(container.id).pid, startTicks: '' }
  const calls: Record<Exclude<SimulatedEffect, 'killExec' | 'resizeExec'>, () => Promise<unknown>> = {
    create: () => sim.create(container, { signal, cgroupParent: undefined }),
    start: () => sim.start(container, options),
    signal: () => sim.signal(container, init, 9, options),
    pause: () => sim.pause(container, options),
    resume: () => sim.resume(container, options),
    observe: () => sim.observe(container, options),
    oomKilled: () => sim.oomKilled(container, 137, options),
    killRemaining: () => sim.killRemaining(container, options),
    cleanUp: () => sim.cleanUp(container, options),
    delete: () => sim.delete(container, options),
    discard: () => sim.exits.discard(container.id),
    execSync: () => sim.execs.execSync(container, command, options),
    startExec: () => sim.execs.startExec(container, command, options),
    attach: () => sim.attach(container, {}, options),
    portForward: () =>
      sim.streams.portForward(container, init, { port: 80, stream: new PassThrough() }, options),
    reopenLog: () => sim.streams.reopenLog(container, options),
    update: () => sim.update(container, { pids: { limit: 5 } }, options),
    stats: () => sim.stats(container, options),
  }
  return calls
}

const effects = [
  'create',
  'start',
  'signal',
  'pause',
  'resume',
  'observe',
  'oomKilled',
  'killRemaining',
  'cleanUp',
  'delete',
  'execSync',
  'startExec',
  'attach',
  'portForward',
  'reopenLog',
  'update',
  'stats',
] as const

describe('injected faults', () => {
  it.each([...effects, 'discard'] as const)('make %s fail without any effect', async (effect) => {
    const { sim, create, signal } = simulation()
    const container = containerOf('c')
    if (effect !== 'create') await create(container)
    if (effect === 'discard') sim.exitNow('c', 3)
    const before = sim.world('c')
    sim.inject('c', { effect, fault: 'fail' })
    const { [effect]: begin } = callOf(sim, container, signal)
    const error: unknown = await begin().catch((reason: unknown) => reason)
    expect(isOciError(error)).toBe(true)
    expect(error).toMatchObject({ containerId: 'c' })
    expect(sim.world('c')).toEqual(before)
  })

  it.each(effects)('make %s hang until it is aborted', async (effect) => {
    const { clock, sim, create } = simulation()
    const container = containerOf('c')
    if (effect !== 'create') await create(container)
    sim.inject('c', { effect, fault: 'hang' })
    const abort = new AbortController()
    let answer = 'none'
    const { [effect]: begin } = callOf(sim, container, abort.signal)
    const call = begin().then(
      () => (answer = 'done'),
      (error: OciError) => (answer = error.code),
    )
    await clock.advance(86_400_000)
    expect(answer).toBe('none')
    abort.abort()
    await call
    expect(answer).toBe('ERR_ABORTED')
    expect(sim.world('c').exists).toBe(effect !== 'create')
  })

  it('refuse at once what is aborted before it begins, without using up a fault', async () => {
    const { sim, signal } = simulation()
    const container = containerOf('c')
    sim.inject('c', { effect: 'create', fault: 'fail' })
    await expect(callOf(sim, container, AbortSignal.abort()).create()).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    })
    expect(sim.world('c').exists).toBe(false)
    await expect(callOf(sim, container, signal).create()).rejects.toMatchObject({ code: 'ERR_CREATE_FAILED' })
  })

  it('hit as many calls as they say, oldest first, and only those they are for', async () => {
    const { sim, signal } = simulation()
    const [c, other] = [containerOf('c'), containerOf('other', undefined, { labels: { app: 'web' } })]
    const error = new OciError('ERR_COMMAND_NOT_FOUND', 'no such command')
    sim.inject('c', { effect: 'create', fault: 'fail', times: 2, error })
    sim.inject(({ labels }) => labels['app'] === 'web', {
      effect: 'create',
      fault: 'fail',
      times: Number.POSITIVE_INFINITY,
    })
    sim.inject('c', { effect: 'create', fault: 'fail' })
    const codes: string[] = []
    for (const container of [c, c, c, other, other, other, c]) {
      await callOf(sim, container, signal)
        .create()
        .then(
          () => codes.push('done'),
          (reason: OciError) => codes.push(reason.code),
        )
    }
    const [notFound, failed] = ['ERR_COMMAND_NOT_FOUND', 'ERR_CREATE_FAILED']
    expect(codes).toEqual([notFound, notFound, failed, failed, failed, failed, 'done'])
    sim.clearFaults()
    await callOf(sim, other, signal).create()
    expect(sim.ids).toEqual(['c', 'other'])
  })

  it('may fail late', async () => {
    const { clock, sim, create, start } = simulation()
    const container = containerOf('c')
    await create(container)
    sim.inject('c', { effect: 'start', fault: 'fail', delayMs: 500 })
    let answer = 'none'
    void start(container).catch((error: OciError) => (answer = error.code))
    await clock.advance(499)
    expect(answer).toBe('none')
    await clock.advance(1)
    expect(answer).toBe('ERR_RUNTIME_FAILED')
    expect(sim.world('c').status).toBe('created')
  })

  it('may fail although the effect took place', async () => {
    const { sim, create, start } = simulation()
    const container = containerOf('c')
    sim.inject('c', { effect: 'create', fault: 'failAfterEffect' })
    await expect(create(container)).rejects.toMatchObject({ code: 'ERR_CREATE_FAILED' })
    expect(sim.world('c')).toMatchObject({ status: 'created', alive: true, monitorAlive: true })
    sim.inject('c', { effect: 'start', fault: 'failAfterEffect' })
    await expect(start(container)).rejects.toMatchObject({ code: 'ERR_RUNTIME_FAILED' })
    expect(sim.world('c').status).toBe('running')
  })

  it('may be late: the caller who still waits gets the result', async () => {
    const { clock, sim, create } = simulation()
    sim.inject('c', { effect: 'create', fault: 'late', delayMs: 3000 })
    const created = create(containerOf('c'))
    await clock.advance(2999)
    expect(sim.world('c').exists).toBe(false)
    await clock.advance(1)
    expect(await created).toMatchObject({ init: { pid: sim.world('c').pid } })
  })

  it('may be late: what is aborted is answered at once and takes effect all the same', async () => {
    const { clock, sim } = simulation()
    const [slow, slower] = [containerOf('slow'), containerOf('slower')]
    sim.inject('slow', { effect: 'create', fault: 'late' })
    sim.inject('slower', { effect: 'create', fault: 'late', delayMs: 3000 })
    const abort = new AbortController()
    const calls = [slow, slower].map((container) => callOf(sim, container, abort.signal).create())
    await clock.advance(1000)
    expect(sim.ids).toEqual([])
    abort.abort()
    // At once, so that the clean-up that follows an abort finds it.
    expect(sim.ids).toEqual(['slow'])
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await clock.advance(2000)
    expect(sim.ids).toEqual(['slow', 'slower'])
  })

  it('may be late, but not later than the clean-up', async () => {
    const { clock, sim, signal } = simulation()
    const container = containerOf('c')
    sim.inject('c', { effect: 'create', fault: 'late', delayMs: 3000 })
    const create = callOf(sim, container, signal).create()
    await sim.cleanUp(container, { signal })
    await expect(create).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
    await clock.advance(10_000)
    expect(sim.ids).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('never hit a later container of the same id', async () => {
    const { clock, sim, create, run, signal } = simulation()
    const container = containerOf('c')
    await run(container)
    sim.inject('c', { effect: 'pause', fault: 'late', delayMs: 1000 })
    const pause = sim.pause(container, { signal })
    sim.deleteFromOutside('c')
    await create(container)
    const answer = pause.catch((error: OciError) => error.code)
    await clock.advance(1000)
    expect(await answer).toBe('ERR_UNKNOWN_TO_RUNTIME')
    expect(sim.world('c')).toMatchObject({ status: 'created', frozen: false })
  })

  it('keep an exit that cannot be discarded, for the next one who expects it', async () => {
    const { sim, exits, run, signal } = simulation()
    const container = containerOf('c')
    await run(container)
    sim.exitNow('c', 1)
    await turn()
    sim.inject((candidate) => candidate === container, { effect: 'discard', fault: 'fail' })
    await expect(sim.exits.discard('c')).rejects.toMatchObject({ code: 'ERR_IO' })
    sim.exits.expect('c')
    await sim.exits.scan()
    await sim.delete(container, { signal })
    expect(exits.map(({ code }) => code)).toEqual([1, 1])
    await sim.exits.discard('c')
    expect(sim.world('c').exit).toBeUndefined()
  })

  it.each<[SimulatedFault, string]>([
    // @ts-expect-error: no such effect
    [{ effect: 'explode', fault: 'fail' }, 'effect'],
    [{ effect: 'start', fault: 'fail', times: 0 }, 'times'],
    [{ effect: 'start', fault: 'fail', times: 1.5 }, 'times'],
    [{ effect: 'start', fault: 'late', delayMs: -1 }, 'delayMs'],
  ])('are refused when they make no sense: %j', (fault, field) => {
    const { sim } = simulation()
    expect(() => {
      sim.inject('c', fault)
    }).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field }))
  })

  it('leave a record of every call', async () => {
    const { clock, sim, create, start } = simulation()
    const container = containerOf('c')
    await create(container)
    await clock.advance(40)
    await start(container)
    expect(sim.calls).toEqual([
      { effect: 'create', id: 'c', atMs: 0 },
      { effect: 'start', id: 'c', atMs: 40 },
    ])
  })
})
