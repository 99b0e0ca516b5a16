/** Restarts of a supervisor in simulated time: the world and the disk go on, the process does not. */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  memoryStateDirectory,
  MemoryStore,
  type Container,
  type ContainerStore,
  type RuntimeImpl,
} from '../../src/index.ts'
import { silentLogger } from '../../src/surroundings/logger.ts'
import type { SimulatedRuntime } from '../../src/testing.ts'
import { openRestartStage, type RestartStage, type Supervisor } from './restart-stage.ts'
import { refusalOf } from './stage.ts'

async function created(
  stage: RestartStage,
  { runtime }: Supervisor,
  id: string,
  program = {},
): Promise<Container> {
  const container = stage.describe(id, program)
  await stage.clock.runUntil(runtime.createContainer(container))
  return container
}

async function started(
  stage: RestartStage,
  supervisor: Supervisor,
  id: string,
  program = {},
): Promise<Container> {
  const container = await created(stage, supervisor, id, program)
  await stage.clock.runUntil(supervisor.runtime.startContainer(container))
  return container
}

/** Its starts succeed, and nobody is told. */
function withUnheardStarts(sim: SimulatedRuntime): RuntimeImpl {
  return altered(sim, {
    start: async (...given) => {
      await sim.start(...given)
      return new Promise(() => undefined)
    },
  })
}

/** The first look at its exits fails. */
function withBlindStart(sim: SimulatedRuntime): RuntimeImpl {
  const { exits } = sim
  let looks = 0
  return altered(sim, {
    exits: {
      exits$: exits.exits$,
      expect: () => undefined,
      discard: (id) => exits.discard(id),
      urgent: () => undefined,
      scan: () => {
        looks += 1
        if (looks === 1) return Promise.reject(new Error('EMFILE'))
        exits.expect('job')
        return exits.scan()
      },
    },
  })
}

/** Looks at its exits do not come to an end. */
function withMuteExits(sim: SimulatedRuntime): RuntimeImpl {
  const { exits } = sim
  return altered(sim, {
    exits: {
      exits$: exits.exits$,
      expect: () => undefined,
      discard: (id) => exits.discard(id),
      urgent: () => undefined,
      scan: () => new Promise(() => undefined),
    },
  })
}

/** The simulated runtime with some of its effects replaced. */
function altered(sim: SimulatedRuntime, changes: Partial<RuntimeImpl>): RuntimeImpl {
  return new Proxy<RuntimeImpl>(sim, {
    get: (_, key): unknown => {
      if (Object.hasOwn(changes, key)) return Reflect.get(changes, key)
      const value: unknown = Reflect.get(sim, key)
      return typeof value === 'function'
        ? (...given: unknown[]) => Reflect.apply(value, sim, given) as unknown
        : value
    },
  })
}

/** As if the host had been started anew since the state was written. */
function reboot(container: Container): void {
  const text = readFileSync(container.statePath, 'utf8')
  writeFileSync(container.statePath, text.replace(/"bootId":"[^"]*"/, '"bootId":"of-another-boot"'))
}

describe('after a restart', () => {
  it('containers are as they were: created, running, paused, stopped', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    await created(stage, first, 'waits')
    const runs = await started(stage, first, 'runs')
    const sleeps = await started(stage, first, 'sleeps')
    await first.runtime.pauseContainer(sleeps)
    const ended = await started(stage, first, 'ended', { runsForMs: 10, exitCode: 4 })
    await stage.clock.runUntil(first.runtime.waitContainer(ended))
    await stage.crash()

    const second = await stage.boot()
    const { adopted, ...others } = second.runtime.recovered ?? { adopted: [] }
    expect(Object.fromEntries(adopted.map(({ id, phase }) => [id, phase]))).toEqual({
      waits: 'created',
      runs: 'running',
      sleeps: 'paused',
      ended: 'stopped',
    })
    expect(others).toMatchObject({ exited: [], removed: [], quarantined: [], unresolved: [] })
    expect(second.get('runs').state).toEqual({ ...runs.state, durable: true })
    expect(second.get('ended').state).toEqual({ ...ended.state, durable: true })
    expect(second.runtime.containers.size).toBe(4)
    for (const id of ['waits', 'runs', 'sleeps', 'ended']) expect(await second.told(id)).toEqual([])
    // And every verb goes on.
    await second.runtime.startContainer(second.get('waits'))
    await second.runtime.unpauseContainer(second.get('sleeps'))
    for (const container of second.runtime.containers.list()) {
      await stage.clock.runUntil(second.runtime.deleteContainer(container))
    }
    expect(stage.sim.ids).toEqual([])
    expect(readdirSync(join(stage.stateDir, 'index'))).toEqual([])
  })

  it('a container is described as it was, its settings included', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    const container = stage.describe('web', {}, { labels: { a: 'b' }, stopSignal: 'INT', terminal: true })
    container.setMountPoint('/mnt')
    await first.runtime.createContainer(container)
    await stage.crash()
    const again = (await stage.boot()).get('web')
    expect(again).toMatchObject({ labels: { a: 'b' }, stopSignal: 2, terminal: true, mountPoint: '/mnt' })
    expect(again.createdAt).toEqual(container.createdAt)
  })

  it('nothing is written for what has not changed', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    const runs = await started(stage, first, 'runs')
    const ended = await started(stage, first, 'ended', { runsForMs: 10 })
    await stage.clock.runUntil(first.runtime.waitContainer(ended))
    await stage.crash()
    const before = [runs, ended].map(({ statePath }) => statSync(statePath).ino)
    await stage.boot()
    await stage.clock.settle()
    expect([runs, ended].map(({ statePath }) => statSync(statePath).ino)).toEqual(before)
  })

  it('an exit that happened meanwhile is recorded, told of once, and not again', async () => {
    const stage = openRestartStage()
    await started(stage, await stage.boot(), 'job')
    await stage.crash()
    stage.sim.exitNow('job', 7)
    const second = await stage.boot()
    expect(second.runtime.recovered).toMatchObject({
      adopted: [],
      exited: [{ id: 'job', exit: { kind: 'code', code: 7 } }],
    })
    expect(await second.told('job')).toEqual(['exited'])
    expect(await second.runtime.waitContainer(second.get('job'))).toMatchObject({ code: 7 })
    await stage.clock.settle()
    expect(stage.sim.world('job').exit).toBeUndefined()
    await stage.crash()
    const third = await stage.boot()
    expect(third.runtime.recovered).toMatchObject({ adopted: [{ id: 'job', phase: 'stopped' }], exited: [] })
    expect(await third.told('job')).toEqual([])
    expect(third.get('job').state.exitCode).toBe(7)
  })

  it('an exit that was recorded, but whose file had not been removed, is not told of again', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    stage.sim.inject('job', { effect: 'discard', fault: 'fail' })
    const job = await started(stage, first, 'job', { runsForMs: 10, exitCode: 3 })
    await stage.clock.runUntil(first.runtime.waitContainer(job))
    await stage.crash()
    expect(stage.sim.world('job').exit).toBeDefined()
    const second = await stage.boot()
    await stage.clock.settle()
    expect(await second.told('job')).toEqual([])
    expect(stage.sim.world('job').exit).toBeUndefined()
  })

  it('a process that is gone without a word has an exit that is unknown', async () => {
    const stage = openRestartStage()
    await started(stage, await stage.boot(), 'job')
    await stage.crash()
    stage.sim.killMonitor('job')
    stage.sim.exitNow('job', 7)
    const second = await stage.boot()
    expect(second.runtime.recovered?.exited).toMatchObject([
      { id: 'job', exit: { kind: 'unknown', why: 'monitor-lost' } },
    ])
    expect(await second.told('job')).toEqual(['exited'])
  })

  it('a running container whose monitor died goes on, and that is told', async () => {
    const stage = openRestartStage()
    await started(stage, await stage.boot(), 'job')
    await stage.crash()
    stage.sim.killMonitor('job')
    const second = await stage.boot()
    expect(second.get('job').phase).toBe('running')
    expect(await second.told('job')).toEqual(['monitorLost'])
    await stage.clock.settle()
    await stage.crash()
    expect(await (await stage.boot()).told('job')).toEqual([])
  })

  it('nobody looks at a monitor whose death was recorded, nor for the exit of what has ended', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    const alone = await started(stage, first, 'alone')
    await started(stage, first, 'watched')
    const ended = await started(stage, first, 'ended', { runsForMs: 10 })
    stage.sim.killMonitor('alone')
    await stage.clock.advance(10_000)
    expect([alone.phase, ended.phase]).toEqual(['running', 'stopped'])
    await stage.crash()
    const expected: string[] = []
    const looks = new Set<number>()
    await stage.boot({
      wrap: (sim) => {
        const expectExit = sim.exits.expect.bind(sim.exits)
        sim.exits.expect = (id) => {
          expected.push(id)
          expectExit(id)
        }
        return altered(sim, {
          processState: (identity) => {
            looks.add(identity.pid)
            return sim.processState(identity)
          },
        })
      },
    })
    expect(expected.toSorted()).toEqual(['alone', 'watched'])
    looks.clear()
    await stage.clock.advance(10_000)
    expect(looks.size).toBe(1)
  })

  it('the death of a monitor is noticed, without a pipe to hear it by', async () => {
    const stage = openRestartStage()
    await started(stage, await stage.boot(), 'job')
    await stage.crash()
    const second = await stage.boot()
    stage.sim.killMonitor('job')
    await stage.clock.advance(1000)
    expect(await second.told('job')).toEqual(['monitorLost'])
  })

  it('a created container whose monitor died is removed and its id free', async () => {
    const stage = openRestartStage()
    await created(stage, await stage.boot(), 'web')
    await stage.crash()
    stage.sim.killMonitor('web')
    const second = await stage.boot()
    expect(second.runtime.recovered?.removed).toMatchObject([{ id: 'web' }])
    expect(second.runtime.containers.size).toBe(0)
    expect(stage.sim.ids).toEqual([])
    await created(stage, second, 'web')
  })

  it('a container whose creation was not finished is removed and its id free', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    stage.sim.inject('web', { effect: 'create', fault: 'late', delayMs: 5000 })
    first.runtime.createContainer(stage.describe('web')).catch(() => undefined)
    await stage.clock.settle()
    await stage.crash()
    const second = await stage.boot()
    expect(second.runtime.recovered?.removed).toEqual([{ id: 'web', why: 'its creation was not finished' }])
    await stage.clock.advance(10_000)
    expect(stage.sim.ids).toEqual([])
    await created(stage, second, 'web')
  })

  it('what was frozen or thawed from outside is told of as such', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    await started(stage, first, 'runs')
    await first.runtime.pauseContainer(await started(stage, first, 'sleeps'))
    await stage.crash()
    stage.sim.freezeFromOutside('runs')
    stage.sim.thawFromOutside('sleeps')
    const second = await stage.boot()
    expect([second.get('runs').phase, second.get('sleeps').phase]).toEqual(['paused', 'running'])
    expect(await second.told('runs')).toEqual(['paused'])
    expect(await second.told('sleeps')).toEqual(['resumed'])
  })

  it('a start that had succeeded unheard is told of', async () => {
    const stage = openRestartStage()
    const first = await stage.boot({ wrap: withUnheardStarts })
    const web = await created(stage, first, 'web')
    first.runtime.startContainer(web).catch(() => undefined)
    await stage.clock.settle()
    await stage.crash()
    const second = await stage.boot()
    expect(second.get('web').phase).toBe('running')
    expect(second.get('web').state.started).toBeDefined()
    expect(await second.told('web')).toEqual(['started'])
  })

  it('a created container that only its process tells of is not said to be started', async () => {
    const stage = openRestartStage()
    await created(stage, await stage.boot(), 'web')
    await stage.crash()
    const init = { pid: 2, startTicks: '1' }
    const observe: RuntimeImpl['observe'] = () =>
      Promise.resolve({ status: 'running', init, isOfProcessOnly: true })
    const second = await stage.boot({ wrap: (sim) => altered(sim, { observe }) })
    expect([second.get('web').phase, second.get('web').state.started]).toEqual(['created', undefined])
    expect(await second.told('web')).toEqual([])
  })

  it('a runtime that was opened without recovery takes nothing up, gives no id away, and can recover later', async () => {
    const stage = openRestartStage()
    await started(stage, await stage.boot(), 'web')
    await stage.crash()
    const second = await stage.boot({ recover: false })
    expect(second.runtime.recovered).toBeUndefined()
    expect(second.runtime.containers.size).toBe(0)
    const other = stage.describe('web')
    expect((await refusalOf(second.runtime.createContainer(other))).code).toBe('ERR_CONTAINER_EXISTS')
    await stage.clock.runUntil(second.runtime.deleteContainer(other))
    expect(stage.sim.world('web').alive).toBe(true)
    const [report, same] = await stage.clock.runUntil(
      Promise.all([second.runtime.recover(), second.runtime.recover()]),
    )
    expect(same).toBe(report)
    expect(report.adopted).toEqual([{ id: 'web', phase: 'running' }])
    expect((await stage.clock.runUntil(second.runtime.recover())).adopted).toEqual([])
    expect(second.get('web').phase).toBe('running')
  })

  it('a runtime on the same memory takes up what an earlier one had there', async () => {
    const stage = openRestartStage()
    const stateDirectory = memoryStateDirectory()
    await started(stage, await stage.boot({ stateDirectory }), 'web')
    await stage.crash()
    const second = await stage.boot({ stateDirectory })
    expect(second.runtime.recovered?.adopted).toEqual([{ id: 'web', phase: 'running' }])
  })
})

describe('a stop that was under way', () => {
  it('is resumed with what is left of its time', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    const deaf = await started(stage, first, 'deaf', { onTerm: 'ignore' })
    first.runtime.stopContainer(deaf, 30).catch(() => undefined)
    await stage.clock.advance(10_000)
    await stage.crash()
    await stage.clock.advance(5000)
    const second = await stage.boot()
    const again = second.get('deaf')
    expect(again.phase).toBe('stopping.grace')
    await stage.clock.advance(14_000)
    expect(again.phase).toBe('stopping.grace')
    await stage.clock.advance(1100)
    expect(again.state).toMatchObject({ status: 'stopped', exitCode: 137 })
    expect(await second.told('deaf')).toEqual(['exited'])
  })

  it('is resumed as often as the supervisor dies, and does not get longer', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    const deaf = await started(stage, first, 'deaf', { onTerm: 'ignore' })
    first.runtime.stopContainer(deaf, 30).catch(() => undefined)
    for (let restart = 0; restart < 5; restart += 1) {
      await stage.clock.advance(5000)
      await stage.crash()
      const { runtime } = await stage.boot()
      expect(runtime.containers.get('deaf')?.phase).toBe('stopping.grace')
      await stage.clock.settle()
    }
    await stage.clock.advance(5100)
    expect(stage.sim.world('deaf').alive).toBe(false)
  })

  it('kills at once when its time is over', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    const deaf = await started(stage, first, 'deaf', { onTerm: 'ignore' })
    first.runtime.stopContainer(deaf, 10).catch(() => undefined)
    await stage.clock.settle()
    await stage.crash()
    await stage.clock.advance(60_000)
    const second = await stage.boot()
    await stage.clock.advance(100)
    expect(second.get('deaf').state).toMatchObject({ status: 'stopped', exitCode: 137 })
  })

  it('that never escalates goes on not to', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    const deaf = await started(stage, first, 'deaf', { onTerm: 'ignore' })
    first.runtime.stopContainer(deaf, Infinity).catch(() => undefined)
    await stage.clock.settle()
    await stage.crash()
    const second = await stage.boot()
    await stage.clock.advance(86_400_000)
    expect(second.get('deaf').phase).toBe('stopping.grace')
    await stage.clock.runUntil(second.runtime.stopContainer(second.get('deaf'), 0))
  })

  it('of a container that was never started is resumed too', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    const waits = await created(stage, first, 'waits', { onKill: { afterMs: 60_000 } })
    first.runtime.stopContainer(waits, 30).catch(() => undefined)
    await stage.clock.settle()
    await stage.crash()
    const second = await stage.boot()
    expect(second.get('waits').phase).toBe('stopping.killing')
    await stage.clock.advance(120_000)
    expect(second.get('waits').status).toBe('stopped')
  })

  it('of a paused container thaws it first', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    const sleeps = await started(stage, first, 'sleeps')
    await first.runtime.pauseContainer(sleeps)
    stage.sim.inject('sleeps', { effect: 'resume', fault: 'hang' })
    first.runtime.stopContainer(sleeps, 10).catch(() => undefined)
    await stage.clock.settle()
    await stage.crash()
    stage.sim.clearFaults()
    const second = await stage.boot()
    await stage.clock.advance(100)
    expect(second.get('sleeps').state).toMatchObject({ status: 'stopped', exitCode: 143 })
  })
})

describe('on a host that was started anew', () => {
  it('what ran has ended, what was only created is gone, what had ended is as it was', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    const runs = await started(stage, first, 'runs')
    const waits = await created(stage, first, 'waits')
    const ended = await started(stage, first, 'ended', { runsForMs: 10, exitCode: 4 })
    await stage.clock.runUntil(first.runtime.waitContainer(ended))
    await stage.crash()
    for (const container of [runs, waits, ended]) reboot(container)
    for (const id of ['runs', 'waits']) stage.sim.deleteFromOutside(id)
    for (const id of ['runs', 'waits']) stage.sim.exits.expect(id)
    await stage.sim.exits.discard('runs')
    const second = await stage.boot()
    expect(second.runtime.recovered).toMatchObject({
      adopted: [{ id: 'ended', phase: 'stopped' }],
      exited: [{ id: 'runs', exit: { kind: 'unknown', why: 'reboot' } }],
      removed: [{ id: 'waits' }],
    })
    // Nobody waits for the exit file of a process that cannot have left one.
    expect(stage.clock.now()).toBe(10)
  })

  it('an exit file that survived still has the code', async () => {
    const stage = openRestartStage()
    const runs = await started(stage, await stage.boot(), 'runs')
    await stage.crash()
    reboot(runs)
    stage.sim.exitNow('runs', 9)
    const second = await stage.boot()
    expect(second.runtime.recovered?.exited).toMatchObject([{ id: 'runs', exit: { kind: 'code', code: 9 } }])
  })

  it('a pid that is somebody else’s by now is nobody', async () => {
    const stage = openRestartStage()
    const runs = await started(stage, await stage.boot(), 'runs')
    const stranger = await started(stage, await stage.boot({ recover: false }), 'stranger')
    await stage.crash()
    stage.sim.killMonitor('runs')
    stage.sim.killProcessSilently('runs')
    const text = readFileSync(runs.statePath, 'utf8')
    // As if the kernel had given the pid away again: the pid lives, its start time is another.
    writeFileSync(runs.statePath, text.replaceAll(`"pid":${runs.state.pid}`, `"pid":${stranger.state.pid}`))
    const second = await stage.boot()
    expect(second.get('runs').state).toMatchObject({ status: 'stopped' })
    expect(stage.sim.world('stranger').alive).toBe(true)
  })
})

describe('a runtime or a monitor that does not answer', () => {
  it('delays nobody else, and its container is believed to be as it was until it answers', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    for (const id of ['a', 'b', 'c']) await created(stage, first, id)
    await started(stage, first, 'runs')
    await stage.crash()
    stage.sim.inject('b', { effect: 'observe', fault: 'hang' })
    stage.sim.exitNow('runs', 2)
    const beganMs = stage.clock.now()
    const second = await stage.boot()
    expect(stage.clock.now() - beganMs).toBe(10_000)
    expect(second.runtime.recovered).toMatchObject({
      exited: [{ id: 'runs' }],
      unresolved: [{ id: 'b', code: 'ERR_TIMEOUT' }],
    })
    expect(second.runtime.recovered?.adopted.map(({ id }) => id)).toEqual(['a', 'c'])
    expect(second.get('b').phase).toBe('created')
  })

  it('is asked again: a start nobody heard of is found in the end', async () => {
    const stage = openRestartStage()
    const first = await stage.boot({ wrap: withUnheardStarts })
    const web = await created(stage, first, 'web')
    first.runtime.startContainer(web).catch(() => undefined)
    await stage.clock.settle()
    await stage.crash()
    stage.sim.inject('web', { effect: 'observe', fault: 'fail', times: 3 })
    const second = await stage.boot()
    expect(second.runtime.recovered?.unresolved).toMatchObject([{ id: 'web' }])
    expect(second.get('web').phase).toBe('created')
    await stage.clock.advance(20_000)
    expect(second.get('web').phase).toBe('running')
  })

  it('is not taken for the absence of an exit', async () => {
    const stage = openRestartStage()
    await started(stage, await stage.boot(), 'job')
    await stage.crash()
    stage.sim.exitNow('job', 5)
    const second = await stage.boot({ wrap: withBlindStart })
    expect(second.runtime.recovered?.unresolved).toMatchObject([{ id: 'job', code: 'ERR_IO' }])
    expect(second.get('job').phase).toBe('running')
    await stage.clock.advance(10_000)
    expect(second.get('job').state.exit).toMatchObject({ kind: 'code', code: 5 })
  })
})

describe('recovering', () => {
  it('again leaves alone what has been taken up, even when its file is torn by now', async () => {
    const stage = openRestartStage()
    const web = await started(stage, await stage.boot(), 'web')
    await stage.crash()
    const second = await stage.boot()
    const { runtime } = second
    writeFileSync(web.statePath, '{')
    const report = await stage.clock.runUntil(runtime.recover())
    expect(report).toMatchObject({ adopted: [], quarantined: [], unresolved: [] })
    await stage.clock.runUntil(runtime.deleteContainer(second.get('web')))
  })

  it('hands each container to its implementation with the root that it was created below', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    const web = await started(stage, first, 'web')
    await created(stage, first, 'waits')
    await stage.crash()
    const text = readFileSync(web.statePath, 'utf8')
    const root = stage.config.runtimes['sim']?.runtimeRoot ?? ''
    writeFileSync(web.statePath, text.replace(JSON.stringify(root), '"/run/of-old"'))
    const adopted: Record<string, unknown> = {}
    const wrap = (sim: SimulatedRuntime): RuntimeImpl =>
      altered(sim, {
        adopt: (container, provenance) => {
          adopted[container.id] = provenance
          sim.adopt(container)
        },
      })
    await stage.boot({ wrap })
    expect(adopted).toEqual({
      web: { handler: 'sim', runtimeRoot: '/run/of-old', wasCreated: true },
      waits: { handler: 'sim', runtimeRoot: root, wasCreated: true },
    })
  })

  it('ends when implementations have tidied up after what does not live any more', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    await started(stage, first, 'runs')
    const ended = await started(stage, first, 'ended', { runsForMs: 10 })
    await stage.clock.runUntil(first.runtime.waitContainer(ended))
    await stage.crash()
    const tidied: string[][] = []
    const wrap = (sim: SimulatedRuntime): RuntimeImpl =>
      altered(sim, {
        tidy: async (ids) => {
          await new Promise((resolve) => stage.clock.setTimeout(() => resolve(undefined), 100))
          tidied.push([...ids])
        },
      })
    await stage.boot({ wrap })
    expect(tidied).toEqual([['ended']])
  })

  it('says in the log how many were taken up, and nothing where there was nothing', async () => {
    const stage = openRestartStage()
    const logged: object[] = []
    const info = (fields: object): void => {
      if ('adopted' in fields) logged.push(fields)
    }
    const logger = { ...silentLogger, info }
    await created(stage, await stage.boot({ logger }), 'web')
    expect(logged).toEqual([])
    await stage.crash()
    await stage.boot({ logger })
    const counts = { adopted: 1, exited: 0, removed: 0, quarantined: 0, unresolved: 0 }
    expect(logged).toMatchObject([counts])
  })

  it('watches nothing of a container that the store of the embedder does not take', async () => {
    const stage = openRestartStage()
    await started(stage, await stage.boot(), 'web')
    await stage.crash()
    const store: ContainerStore = new MemoryStore()
    store.add = () => {
      throw new Error('full')
    }
    const { runtime } = await stage.boot({ store })
    expect(runtime.recovered?.unresolved).toMatchObject([{ id: 'web', code: 'ERR_INTERNAL' }])
    expect(stage.clock.pending).toBe(0)
    expect(stage.sim.world('web').alive).toBe(true)
  })

  it('takes what could not be looked at in time for what it was, not for gone', async () => {
    const stage = openRestartStage()
    await started(stage, await stage.boot(), 'job')
    await stage.crash()
    stage.sim.exitNow('job', 5)
    const second = await stage.boot({ wrap: withMuteExits })
    expect(second.runtime.recovered?.unresolved).toMatchObject([{ id: 'job', code: 'ERR_IO' }])
    expect(second.get('job').phase).toBe('running')
  })

  it('says why of what it can neither take up nor set aside', async () => {
    const stage = openRestartStage()
    const torn = await started(stage, await stage.boot(), 'torn')
    await stage.crash()
    writeFileSync(torn.statePath, '{')
    writeFileSync(join(stage.stateDir, 'quarantine'), 'no directory')
    const { runtime } = await stage.boot()
    expect(runtime.recovered).toMatchObject({
      quarantined: [],
      unresolved: [{ id: 'torn', code: 'ERR_STATE_CORRUPT' }],
    })
  })
})

describe('what cannot be trusted', () => {
  it('is set aside with the reason, listed, and nothing of it touched', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    const torn = await started(stage, first, 'torn')
    await started(stage, first, 'whole')
    await stage.crash()
    writeFileSync(torn.statePath, readFileSync(torn.statePath, 'utf8').slice(0, 100))
    const second = await stage.boot()
    const file = join(stage.stateDir, 'quarantine', 'torn.json')
    expect(second.runtime.recovered).toMatchObject({
      adopted: [{ id: 'whole' }],
      quarantined: [{ id: 'torn', file, code: 'ERR_STATE_CORRUPT' }],
    })
    expect(readdirSync(join(stage.stateDir, 'quarantine')).toSorted()).toEqual([
      'torn.json',
      'torn.json.reason',
    ])
    expect(readFileSync(`${file}.reason`, 'utf8')).toContain('is not JSON')
    expect(readdirSync(torn.dir).toSorted()).toEqual(['container.json', 'state.json'])
    expect(stage.sim.world('torn').alive).toBe(true)
    expect(readdirSync(join(stage.stateDir, 'index'))).toEqual(['whole.json'])
  })

  it('includes a container whose directory somebody deleted', async () => {
    const stage = openRestartStage()
    const { dir } = await started(stage, await stage.boot(), 'lost')
    await stage.crash()
    rmSync(dir, { recursive: true })
    const { runtime } = await stage.boot()
    expect(runtime.recovered?.quarantined).toMatchObject([{ id: 'lost', why: `${dir} is missing` }])
  })

  it('does not include a container of a handler that is not configured any more: it stays for another time', async () => {
    const stage = openRestartStage()
    const web = await started(stage, await stage.boot(), 'web')
    await stage.crash()
    const text = readFileSync(web.statePath, 'utf8')
    writeFileSync(web.statePath, text.replace('"handler":"sim"', '"handler":"gone"'))
    const second = await stage.boot()
    expect(second.runtime.recovered?.unresolved).toMatchObject([{ id: 'web', code: 'ERR_UNKNOWN_HANDLER' }])
    const other = stage.describe('web')
    expect((await refusalOf(second.runtime.createContainer(other))).code).toBe('ERR_CONTAINER_EXISTS')
    writeFileSync(web.statePath, text)
    // Its id is in the hands of the one that was refused.
    expect((await stage.clock.runUntil(second.runtime.recover())).adopted).toEqual([])
    await stage.clock.runUntil(second.runtime.deleteContainer(other))
    expect(stage.sim.world('web').alive).toBe(true)
    expect((await stage.clock.runUntil(second.runtime.recover())).adopted).toMatchObject([{ id: 'web' }])
  })
})

describe('the directory of a container', () => {
  it('cannot be that of another one', async () => {
    const stage = openRestartStage()
    const first = await stage.boot()
    const web = await started(stage, first, 'web')
    const other = stage.describe('other', {}, { dir: web.dir })
    const refusal = await refusalOf(first.runtime.createContainer(other))
    expect(refusal).toMatchObject({ code: 'ERR_CONTAINER_EXISTS', field: 'dir' })
    await stage.clock.runUntil(first.runtime.deleteContainer(other))
    expect(readdirSync(web.dir).toSorted()).toEqual(['container.json', 'state.json'])
    await stage.clock.runUntil(first.runtime.deleteContainer(web))
    await created(stage, first, 'other')
  })
})
