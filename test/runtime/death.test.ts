import assert from 'node:assert/strict'
import { merge, Subject } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Created, ExitFact, RuntimeImpl } from '../../src/index.ts'
import type { SimulatedRuntime } from '../../src/testing.ts'
import { deaf, openStage, refusalOf, type Stage } from './stage.ts'
import { full, SlowDisk } from './slow-disk.ts'

/** What an implementation returns kills the machine that looks at it. */
function poisoned(created: Created): Created {
  return {
    ...created,
    init: {
      startTicks: '1',
      get pid(): number {
        throw new TypeError('poison')
      },
    },
  }
}

/** What an implementation throws in the middle of a step. */
interface Poison {
  urgent: number
  create: number
}

async function openPoisoned(): Promise<Stage & { poison: Poison }> {
  const poison: Poison = { urgent: 0, create: 0 }
  const wrap = (sim: SimulatedRuntime): RuntimeImpl => {
    const create = sim.create.bind(sim)
    sim.create = async (container, options) => {
      const created = await create(container, options)
      if (poison.create === 0) return created
      poison.create -= 1
      return poisoned(created)
    }
    const urgent = sim.exits.urgent.bind(sim.exits)
    sim.exits.urgent = (id, waiting) => {
      if (poison.urgent > 0) {
        poison.urgent -= 1
        throw new TypeError('poison')
      }
      urgent(id, waiting)
    }
    return sim
  }
  return { ...(await openStage({ wrap })), poison }
}

const uncaught: unknown[] = []
const note = (error: unknown): void => {
  uncaught.push(error)
}

beforeEach(() => {
  process.on('uncaughtExceptionMonitor', note)
})
afterEach(() => {
  process.off('uncaughtExceptionMonitor', note)
  assert.deepEqual(uncaught, [])
})

describe('a machine that dies', () => {
  it('tells its callers, and its container can still be stopped and deleted', async () => {
    const { runtime, clock, started, sim, poison, events } = await openPoisoned()
    const bystander = await started()
    const container = await started(deaf)
    const wait = runtime.waitContainer(container)
    poison.urgent = 1
    const refusal = await refusalOf(runtime.pauseContainer(container))
    expect(refusal).toMatchObject({ code: 'ERR_INTERNAL', containerId: container.id })
    expect(events.find(({ type }) => type === 'failed')).toMatchObject({ containerId: container.id })
    await clock.settle()
    expect(sim.world(container.id).alive).toBe(true)
    await clock.runUntil(runtime.stopContainer(container, 1))
    expect(await wait).toMatchObject({ code: 137 })
    await runtime.deleteContainer(container)
    expect(sim.ids).toEqual([bystander.id])
    expect(bystander.phase).toBe('running')
    expect(clock.pending).toBe(0)
  })

  it('while creating leaves nothing of the container', async () => {
    const { runtime, clock, describe: describeContainer, sim, poison } = await openPoisoned()
    const container = describeContainer()
    poison.create = 1
    expect((await refusalOf(runtime.createContainer(container))).code).toBe('ERR_INTERNAL')
    await clock.settle()
    expect(container.phase).toBe('failed')
    expect(container.state.error).toContain('poison')
    expect(sim.ids).toEqual([])
    await runtime.deleteContainer(container)
    await runtime.createContainer(describeContainer({}, { id: container.id }))
  })

  it('finds out whether the container is paused by now', async () => {
    const { runtime, clock, started, sim, poison } = await openPoisoned()
    const container = await started(deaf)
    sim.freezeFromOutside(container.id)
    poison.urgent = 1
    await refusalOf(runtime.stopContainer(container, 10))
    await clock.settle()
    expect(container.phase).toBe('paused')
    await runtime.unpauseContainer(container)
    expect(sim.world(container.id).frozen).toBe(false)
  })

  it('between its start and the news of it tells that the container has started', async () => {
    const { runtime, clock, created, poison, told } = await openPoisoned()
    const container = await created()
    poison.urgent = 1
    expect((await refusalOf(runtime.startContainer(container))).code).toBe('ERR_INTERNAL')
    await clock.settle()
    await clock.runUntil(runtime.deleteContainer(container))
    expect(told(container).filter((type) => type !== 'failed')).toEqual([
      'created',
      'started',
      'exited',
      'deleted',
    ])
  })

  it('loses no exit that comes at the same time, and tells of it once', async () => {
    const { runtime, clock, started, sim, poison, told } = await openPoisoned()
    const container = await started()
    const wait = runtime.waitContainer(container)
    poison.urgent = 1
    sim.exitNow(container.id, 6)
    expect(await clock.runUntil(wait)).toMatchObject({ kind: 'code', code: 6 })
    expect(told(container)).toEqual(['created', 'started', 'failed', 'exited'])
    expect(container.phase).toBe('stopped')
  })

  it('is still noticed to be over when the process ends while it is being rebuilt', async () => {
    const { runtime, clock, started, sim, poison } = await openPoisoned()
    const container = await started(deaf)
    sim.inject(container.id, { effect: 'observe', fault: 'hang' })
    poison.urgent = 1
    await refusalOf(runtime.stopContainer(container, 10))
    await clock.settle()
    expect(container.waitingFor).toBe('its state machine, which failed, to be rebuilt')
    sim.exitNow(container.id, 8)
    const stop = runtime.stopContainer(container, 10)
    await clock.runUntil(stop)
    expect(container.state.exit).toMatchObject({ code: 8 })
  })

  it('in the middle of a step aborts what it had begun, which XState leaves to itself', async () => {
    const poisonous = new Subject<ExitFact>()
    const { runtime, clock, started, sim } = await openStage({
      wrap: (inner) => {
        Object.assign(inner.exits, { exits$: merge(inner.exits.exits$, poisonous) })
        return inner
      },
    })
    const container = await started(deaf)
    let aborted = false
    sim.pause = (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true
          reject(new Error('aborted'))
        })
      })
    const pause = refusalOf(runtime.pauseContainer(container))
    await clock.settle()
    expect(container.phase).toBe('pausing')
    const code: unknown = Object.create(null)
    const fact: unknown = { id: container.id, code, finished: '2020-01-01T00:00:00Z' }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    poisonous.next(fact as ExitFact)
    expect((await pause).code).toBe('ERR_INTERNAL')
    expect(aborted).toBe(true)
    await clock.runUntil(runtime.deleteContainer(container))
    expect(container.state.exit).toMatchObject({ code: 137 })
  })

  it.each(['before', 'while'])(
    'has a successor that notices its end when the monitor died %s it was rebuilt',
    async (when) => {
      const { runtime, clock, started, sim, poison } = await openPoisoned()
      const container = await started(deaf)
      if (when === 'before') {
        sim.killMonitor(container.id)
        await clock.advance(1000)
      }
      sim.inject(container.id, { effect: 'observe', fault: 'fail' })
      poison.urgent = 1
      await refusalOf(runtime.stopContainer(container, 10))
      if (when === 'while') sim.killMonitor(container.id)
      await clock.settle()
      await clock.advance(1000)
      expect(container.phase).toBe('running')
      sim.killProcessSilently(container.id)
      await clock.advance(1000)
      expect(container.state.exit).toMatchObject({ kind: 'unknown', why: 'monitor-lost' })
    },
  )

  it('again and again is left dead after three successors, and says so', async () => {
    const { runtime, clock, started, poison, sim } = await openPoisoned()
    const bystander = await started()
    const container = await started(deaf)
    poison.urgent = Number.POSITIVE_INFINITY
    const wait = refusalOf(runtime.waitContainer(container))
    for (let death = 0; death < 4; death++) {
      expect((await refusalOf(runtime.stopContainer(container, 10))).code).toBe('ERR_INTERNAL')
      await clock.settle()
    }
    poison.urgent = 0
    expect((await wait).code).toBe('ERR_INTERNAL')
    expect((await refusalOf(runtime.stopContainer(container, 0))).code).toBe('ERR_INTERNAL')
    expect((await refusalOf(runtime.updateContainerStatus(container))).code).toBe('ERR_INTERNAL')
    expect(container.state.pid).toBeGreaterThan(1)
    expect(sim.world(container.id).alive).toBe(true)
    await clock.runUntil(runtime.deleteContainer(bystander))
    expect(runtime.containers.list()).toEqual([container])
    await clock.runUntil(runtime.shutdown())
    expect(sim.world(container.id).alive).toBe(true)
  })
})

describe('an implementation that throws where it must not', () => {
  it('in a removal of an exit or a write of a state harms nobody', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, started, sim } = await openStage({ stateDirectory: disk })
    sim.inject(() => true, { effect: 'discard', fault: 'fail', times: Infinity })
    const container = await started()
    disk.gate = full
    await clock.runUntil(runtime.stopContainer(container, 0))
    disk.gate = () => Promise.resolve()
    await clock.advance(20_000)
    expect(container.state).toMatchObject({ status: 'stopped', durable: true })
  })
})
