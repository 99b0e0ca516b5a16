import { describe, expect, it } from 'vitest'
import { openStage, refusalOf, standing } from './stage.ts'
import { full, never, SlowDisk } from './slow-disk.ts'
import { defaultSpec, OciError } from '../../src/index.ts'

describe('an exit', () => {
  it('is told with whatever can be had of it, also where the commands in the container cannot be ended', async () => {
    const { runtime, clock, started, sim, calls } = await openStage({
      wrap: (inner) => {
        inner.execs.endAll = () => Promise.reject(new Error('EMFILE'))
        return inner
      },
    })
    const container = await started()
    const wait = runtime.waitContainer(container)
    sim.exitNow(container.id, 5)
    expect(await clock.runUntil(wait)).toMatchObject({ kind: 'code', code: 5 })
    expect([calls('killRemaining'), calls('oomKilled')]).toEqual([1, 1])
  })

  it('is told of, and its file removed, only when the state that records it is on disk', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, started, sim, told } = await openStage({ stateDirectory: disk })
    const container = await started()
    const wait = runtime.waitContainer(container)
    const slow = Promise.withResolvers<void>()
    // Only what records the exit counts: an earlier write of the same exit must not stand in for it.
    disk.gate = ({ state }) => (state.exit === undefined ? Promise.resolve() : slow.promise)
    sim.exitNow(container.id, 5)
    await clock.settle()
    expect(container.phase).toBe('exiting')
    expect(told(container)).toEqual(['created', 'started'])
    expect(sim.world(container.id).exit).toMatchObject({ code: 5 })
    expect(await standing(clock, wait)).toBe('waits')
    slow.resolve()
    await wait
    expect(told(container)).toEqual(['created', 'started', 'exited'])
    expect(disk.written.get(container.id)?.state.exit).toMatchObject({ code: 5 })
    await clock.settle()
    expect(sim.world(container.id).exit).toBeUndefined()
  })

  it('on a full disk is told of as not durable, keeps its file, and becomes durable when there is space', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, started, sim, events } = await openStage({ stateDirectory: disk })
    const container = await started()
    disk.gate = full
    sim.exitNow(container.id, 5)
    expect(await runtime.waitContainer(container)).toMatchObject({ code: 5 })
    expect(container.state).toMatchObject({ status: 'stopped', durable: false })
    expect(events.find(({ type }) => type === 'exited')).toMatchObject({ durable: false })
    await clock.advance(60_000)
    expect(sim.world(container.id).exit).toMatchObject({ code: 5 })
    expect(container.state.durable).toBe(false)
    disk.gate = () => Promise.resolve()
    await clock.advance(10_000)
    expect(container.state.durable).toBe(true)
    expect(disk.written.get(container.id)?.state).toMatchObject({ status: 'stopped', exitCode: 5 })
    expect(sim.world(container.id).exit).toBeUndefined()
    expect(clock.pending).toBe(0)
  })

  it('keeps its file while a delete behind it fails, since the disk has nothing else of it', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, started, sim } = await openStage({ stateDirectory: disk })
    const container = await started()
    disk.gate = full
    disk.forgetGate = full
    const refusal = refusalOf(clock.runUntil(runtime.deleteContainer(container)))
    expect(await refusal).toMatchObject({ code: 'ERR_IO' })
    expect(disk.written.get(container.id)?.state.status).toBe('running')
    expect(sim.world(container.id).exit).toMatchObject({ code: 137 })
    disk.gate = () => Promise.resolve()
    disk.forgetGate = () => Promise.resolve()
    await clock.runUntil(runtime.deleteContainer(container))
    expect(sim.world(container.id).exit).toBeUndefined()
  })

  it('on a disk that hangs is told of once a write has had its time, and its file stays', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, started, sim } = await openStage({ stateDirectory: disk })
    const container = await started()
    const hung = Promise.withResolvers<void>()
    disk.gate = () => hung.promise
    sim.exitNow(container.id, 5)
    expect(await clock.runUntil(runtime.waitContainer(container))).toMatchObject({ code: 5 })
    expect(clock.now()).toBe(10_000)
    expect(container.state).toMatchObject({ status: 'stopped', durable: false })
    await clock.advance(60_000)
    expect(sim.world(container.id).exit).toMatchObject({ code: 5 })
    // Nothing is written over a write that may still happen.
    expect(disk.atOnceMax).toBe(1)
    hung.resolve()
    await clock.settle()
    expect(container.state.durable).toBe(true)
    expect(sim.world(container.id).exit).toBeUndefined()
    expect(clock.pending).toBe(0)
  })
})

describe('a container that is deleted', () => {
  it('does not come back by a write that hung meanwhile', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, started, sim } = await openStage({ stateDirectory: disk })
    const container = await started()
    const hung = Promise.withResolvers<void>()
    disk.gate = () => hung.promise
    sim.exitNow(container.id, 5)
    await clock.runUntil(runtime.waitContainer(container))
    const deletion = runtime.deleteContainer(container)
    await clock.advance(15_000)
    expect(disk.forgotten).toEqual([])
    hung.resolve()
    await clock.runUntil(deletion)
    expect(disk.forgotten).toEqual([container.id])
    expect(disk.written.size).toBe(0)
  })
})

describe('the answer to a command', () => {
  it('waits for the disk', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, describe: describeContainer } = await openStage({ stateDirectory: disk })
    const container = describeContainer()
    const slow = Promise.withResolvers<void>()
    disk.gate = ({ state }) => (state.status === 'created' ? slow.promise : Promise.resolve())
    const create = runtime.createContainer(container)
    expect(await standing(clock, create)).toBe('waits')
    expect(container.phase).toBe('created')
    slow.resolve()
    await create
    const slower = Promise.withResolvers<void>()
    disk.gate = () => slower.promise
    const start = runtime.startContainer(container)
    expect(await standing(clock, start)).toBe('waits')
    expect(container.phase).toBe('running')
    slower.resolve()
    await start
    expect(disk.written.get(container.id)?.state.status).toBe('running')
  })

  it('does not wait for ever', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, created } = await openStage({ stateDirectory: disk })
    const [first, second] = [await created(), await created()]
    disk.gate = never
    await clock.runUntil(Promise.all([runtime.startContainer(first), runtime.startContainer(second)]))
    expect(clock.now()).toBe(10_000)
    expect(first.state).toMatchObject({ status: 'running', durable: false })
    disk.gate = full
    const third = await created()
    expect(third.state).toMatchObject({ status: 'created', durable: false })
    expect(clock.now()).toBe(10_000)
  })

  it('of a stop on a full disk comes at once', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, started } = await openStage({ stateDirectory: disk })
    const container = await started()
    disk.gate = full
    await runtime.stopContainer(container, 1)
    expect(clock.now()).toBe(0)
    await runtime.deleteContainer(container)
    expect(container.phase).toBe('deleted')
    expect(clock.pending).toBe(0)
  })
})

describe('a container whose place cannot be made', () => {
  it('fails to be created, and nothing is ever written for it', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, describe: describeContainer, calls } = await openStage({ stateDirectory: disk })
    const container = describeContainer()
    disk.prepareGate = full
    expect((await refusalOf(runtime.createContainer(container))).code).toBe('ERR_IO')
    expect(calls('create')).toBe(0)
    expect(disk.begun).toEqual([])
    await runtime.deleteContainer(container)
    expect(clock.pending).toBe(0)
  })

  it('in time is not created late when it was deleted meanwhile, and leaves nothing behind', async () => {
    const disk = new SlowDisk()
    const {
      runtime,
      clock,
      sim,
      describe: describeContainer,
      calls,
    } = await openStage({ stateDirectory: disk })
    const container = describeContainer()
    const slow = Promise.withResolvers<void>()
    disk.prepareGate = () => slow.promise
    const create = refusalOf(runtime.createContainer(container))
    await clock.settle()
    const deletion = runtime.deleteContainer(container)
    await clock.settle()
    expect(disk.forgotten).toEqual([])
    slow.resolve()
    await deletion
    expect((await create).code).toBe('ERR_CANCELLED')
    expect(calls('create')).toBe(0)
    expect(disk.forgotten).toEqual([container.id])
    expect(disk.written.size).toBe(0)
    expect(sim.ids).toEqual([])
  })

  it('yet gets no state before it is there', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, describe: describeContainer } = await openStage({ stateDirectory: disk })
    const slow = Promise.withResolvers<void>()
    disk.prepareGate = () => slow.promise
    const container = describeContainer()
    const create = runtime.createContainer(container)
    await clock.settle()
    expect(disk.begun).toEqual([])
    slow.resolve()
    await create
    expect(disk.begun.map(({ state }) => state.status)).toContain('created')
  })
})

describe('the state file', () => {
  it('is written once for many changes during a slow write', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, started } = await openStage({ stateDirectory: disk })
    const container = await started()
    const slow = Promise.withResolvers<void>()
    disk.gate = () => slow.promise
    disk.begun.length = 0
    const changes: Promise<void>[] = []
    for (let round = 0; round < 10; round++) {
      changes.push(runtime.pauseContainer(container))
      await clock.settle()
      changes.push(runtime.unpauseContainer(container))
      await clock.settle()
    }
    changes.push(runtime.pauseContainer(container))
    await clock.settle()
    slow.resolve()
    await Promise.all(changes)
    expect(disk.begun.map(({ state }) => state.status)).toEqual(['paused', 'paused'])
  })

  it('is written once for an exit, with all that is known of it', async () => {
    const disk = new SlowDisk()
    const { runtime, started, sim } = await openStage({ stateDirectory: disk })
    const container = await started()
    disk.begun.length = 0
    sim.exitNow(container.id, 5)
    await runtime.waitContainer(container)
    expect(disk.begun.map(({ state }) => [state.status, state.exit])).toEqual([
      ['stopped', expect.objectContaining({ code: 5 })],
    ])
  })

  it('of a thousand containers is written two at a time, and so are their places made and removed', async () => {
    const disk = new SlowDisk()
    disk.gate = () => Promise.resolve()
    const { runtime, describe: describeContainer } = await openStage({ stateDirectory: disk })
    await Promise.all(Array.from({ length: 1000 }, () => runtime.createContainer(describeContainer())))
    expect(disk.written.size).toBe(1000)
    expect(disk.atOnceMax).toBe(2)
    await Promise.all(runtime.containers.list().map((container) => runtime.deleteContainer(container)))
    expect(disk.written.size).toBe(0)
    expect(disk.atOnceMax).toBe(2)
  })

  it('of others is written although two writes hang', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, created } = await openStage({ stateDirectory: disk })
    const [first, second, third] = [await created(), await created(), await created()]
    const ill = new Set([first.id, second.id])
    disk.gate = ({ state }) => (ill.has(state.id) ? never() : Promise.resolve())
    const starts = [first, second, third].map((container) => runtime.startContainer(container))
    await clock.runUntil(Promise.all(starts))
    await clock.runUntil(runtime.pauseContainer(third))
    expect(disk.written.get(third.id)?.state.status).toBe('paused')
    expect(clock.now()).toBe(10_000)
  })

  it('is as new as can be when the runtime is closed', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, created } = await openStage({ stateDirectory: disk })
    const container = await created()
    const slow = Promise.withResolvers<void>()
    disk.gate = () => slow.promise
    const start = runtime.startContainer(container)
    await clock.settle()
    const pause = runtime.pauseContainer(container)
    await clock.settle()
    const closing = runtime.close()
    slow.resolve()
    await Promise.all([closing, start, pause])
    expect(disk.written.get(container.id)?.state.status).toBe('paused')
  })

  it('does not hold up the closing of the runtime for ever', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, created } = await openStage({ stateDirectory: disk })
    const container = await created()
    disk.gate = never
    runtime.startContainer(container).catch(() => undefined)
    await clock.settle()
    await clock.runUntil(runtime.close())
    await clock.advance(0)
    expect(clock.now()).toBe(10_000)
    expect(clock.pending).toBe(0)
  })

  it('is there again when the container could not be deleted', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, started } = await openStage({ stateDirectory: disk })
    const container = await started()
    await runtime.stopContainer(container, 0)
    disk.forget = (forgotten) => {
      disk.written.delete(forgotten.id)
      return Promise.reject(new OciError('ERR_IO', 'cannot remove: EIO'))
    }
    expect((await clock.runUntil(refusalOf(runtime.deleteContainer(container)))).code).toBe('ERR_IO')
    await clock.settle()
    expect(container.phase).toBe('stopped')
    expect(disk.written.get(container.id)?.state).toMatchObject({
      status: 'stopped',
      error: 'cannot remove: EIO',
    })
    expect(container.state.durable).toBe(true)
  })
})

describe('a create that was given up', () => {
  it('watches nothing of what it made all the same', async () => {
    const { runtime, clock, describe: describeContainer, sim } = await openStage()
    const container = describeContainer()
    sim.inject(container.id, { effect: 'create', fault: 'late', delayMs: 300_000 })
    expect((await clock.runUntil(refusalOf(runtime.createContainer(container)))).code).toBe('ERR_TIMEOUT')
    await clock.advance(100_000)
    expect([container.phase, clock.pending, sim.ids]).toEqual(['failed', 0, []])
  })
})

describe('the state of a container', () => {
  it('names the version of its specification, also after the specification is gone', async () => {
    const { runtime, describe: describeContainer } = await openStage()
    const [plain, described] = [describeContainer(), describeContainer()]
    described.setSpec({ ...defaultSpec({ rootfs: '/r', args: ['/bin/true'] }), ociVersion: '1.1.0' })
    await runtime.createContainer(plain)
    await runtime.createContainer(described)
    expect([plain.state.ociVersion, described.state.ociVersion]).toEqual(['1.0.2', '1.1.0'])
  })

  it('that failed is on disk as it was until its delete is done', async () => {
    const disk = new SlowDisk()
    const { runtime, clock, describe: describeContainer, sim } = await openStage({ stateDirectory: disk })
    const container = describeContainer()
    sim.inject(container.id, { effect: 'create', fault: 'fail' })
    await clock.runUntil(refusalOf(runtime.createContainer(container)))
    const before = disk.written.get(container.id)
    sim.inject(container.id, { effect: 'delete', fault: 'late', delayMs: 1000 })
    const deleted = runtime.deleteContainer(container)
    await clock.settle()
    expect(container.phase).toBe('deleting')
    expect(disk.written.get(container.id)).toBe(before)
    await clock.runUntil(deleted)
  })
})
