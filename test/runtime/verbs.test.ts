import { describe, expect, it } from 'vitest'
import {
  Container,
  defineConfig,
  MemoryStore,
  Runtime,
  type Config,
  type ContainerStore,
} from '../../src/index.ts'
import { openStage, refusalOf, standing } from './stage.ts'
import { wrongly } from '../support/wrongly.ts'

function broken(): never {
  throw new Error('no logger')
}

describe('createContainer', () => {
  it('refuses another container of a living id, says what that one is, and leaves it alone', async () => {
    const { runtime, started, describe: describeContainer } = await openStage()
    const first = await started()
    const second = describeContainer({}, { id: first.id })
    const { code, message, containerId } = await refusalOf(runtime.createContainer(second))
    expect(code).toBe('ERR_CONTAINER_EXISTS')
    expect(containerId).toBe(first.id)
    expect(message).toContain('running')
    expect(runtime.containers.get(first.id)).toBe(first)
    expect(second.phase).toBe('registered')
  })

  it('joins the create of the same container that is under way', async () => {
    const { sim, clock, runtime, describe: describeContainer, calls } = await openStage()
    const container = describeContainer()
    sim.inject(container.id, { effect: 'create', fault: 'late', delayMs: 1000 })
    const attempts = [runtime.createContainer(container), runtime.createContainer(container)]
    await clock.runUntil(Promise.all(attempts))
    expect(calls('create')).toBe(1)
    expect((await refusalOf(runtime.createContainer(container))).code).toBe('ERR_WRONG_STATUS')
  })

  it('fails every caller of a create that fails', async () => {
    const { sim, runtime, describe: describeContainer } = await openStage()
    const container = describeContainer()
    sim.inject(container.id, { effect: 'create', fault: 'fail' })
    const attempts = [runtime.createContainer(container), runtime.createContainer(container)]
    const codes = await Promise.all(attempts.map(async (attempt) => (await refusalOf(attempt)).code))
    expect(codes).toEqual(['ERR_CREATE_FAILED', 'ERR_CREATE_FAILED'])
  })

  it('names the known handlers when it is asked for an unknown one, and registers nothing', async () => {
    const { runtime, describe: describeContainer } = await openStage()
    const container = describeContainer({}, { runtimeHandler: 'nobody' })
    const { code, message } = await refusalOf(runtime.createContainer(container))
    expect(code).toBe('ERR_UNKNOWN_HANDLER')
    expect(message).toContain('sim')
    expect(runtime.containers.size).toBe(0)
    expect((await refusalOf(runtime.deleteContainer(container))).code).toBe('ERR_NOT_FOUND')
  })

  it('says which runtime type has no implementation', async () => {
    const { runtime, describe: describeContainer } = await openStage()
    const container = describeContainer({}, { runtimeHandler: 'other' })
    const refusal = await refusalOf(runtime.createContainer(container))
    expect(refusal).toMatchObject({
      code: 'ERR_CONFIG',
      field: 'runtime_type',
      operation: 'createContainer',
      containerId: container.id,
    })
    expect(refusal.message).toContain('"unheard-of"')
    expect(runtime.containers.size).toBe(0)
  })

  it('leaves the id free when the store of the embedder throws', async () => {
    const store: ContainerStore = new MemoryStore()
    let isFull = true
    store.add = (id, container) => {
      if (isFull) throw new Error('full')
      MemoryStore.prototype.add.call(store, id, container)
    }
    const { runtime, describe: describeContainer, sim } = await openStage({ store })
    const container = describeContainer()
    expect(await refusalOf(runtime.createContainer(container))).toMatchObject({
      code: 'ERR_INTERNAL',
      operation: 'createContainer',
    })
    expect(sim.ids).toEqual([])
    isFull = false
    await runtime.createContainer(container)
    expect(container.phase).toBe('created')
  })

  it('gives the id of a deleted container to the next one, also to the same object', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started()
    await clock.runUntil(runtime.deleteContainer(container))
    await clock.runUntil(runtime.createContainer(container))
    expect(container.phase).toBe('created')
    expect(container.state.exit).toBeUndefined()
    expect(runtime.containers.get(container.id)).toBe(container)
  })
})

describe('a container that this runtime has not created', () => {
  it('is not found by any verb, not even when its id is', async () => {
    const { runtime, started } = await openStage()
    const known = await started()
    for (const stranger of [
      new Container({ id: 'nobody', bundlePath: '/b' }),
      new Container({ id: known.id, bundlePath: '/b' }),
    ]) {
      const attempts = {
        startContainer: runtime.startContainer(stranger),
        stopContainer: runtime.stopContainer(stranger, 1),
        deleteContainer: runtime.deleteContainer(stranger),
        pauseContainer: runtime.pauseContainer(stranger),
        unpauseContainer: runtime.unpauseContainer(stranger),
        signalContainer: runtime.signalContainer(stranger, 1),
        updateContainerStatus: runtime.updateContainerStatus(stranger),
        waitContainer: runtime.waitContainer(stranger),
        waitContainerStateStopped: runtime.waitContainerStateStopped(stranger),
        execContainer: runtime.execContainer(stranger, ['/bin/true']),
      }
      for (const [operation, attempt] of Object.entries(attempts)) {
        const refusal = await refusalOf(attempt)
        expect(refusal).toMatchObject({ code: 'ERR_NOT_FOUND', operation, containerId: stranger.id })
      }
    }
    expect(known.status).toBe('running')
  })
})

describe('what is no container', () => {
  it('is refused by every verb, and takes no id', async () => {
    const { runtime, clock } = await openStage()
    const likeOne = { id: 'web', bundlePath: '/b', stopSignal: 15 }
    for (const wrong of [undefined, null, 'web', likeOne].map((value) => wrongly<Container>(value))) {
      for (const [operation, attempt] of Object.entries({
        createContainer: runtime.createContainer(wrong),
        startContainer: runtime.startContainer(wrong),
        waitContainer: runtime.waitContainer(wrong),
        deleteContainer: runtime.deleteContainer(wrong),
      })) {
        expect(await refusalOf(attempt)).toMatchObject({
          code: 'ERR_INVALID_ARGUMENT',
          field: 'container',
          operation,
        })
      }
    }
    expect(runtime.containers.size).toBe(0)
    const right = new Container({ id: 'web', bundlePath: '/b' })
    await clock.runUntil(runtime.createContainer(right))
    expect(right.phase).toBe('created')
  })
})

describe('a configuration that is none', () => {
  it.each([undefined, null, 'x', {}, { runtimes: {} }, { defaultRuntime: 'sim' }])(
    'is refused when a runtime is opened: %j',
    async (config) => {
      const refusal = await refusalOf(Runtime.open(wrongly<Config>(config)))
      expect(refusal.operation).toBe('open')
      expect(['ERR_CONFIG', 'ERR_INVALID_ARGUMENT']).toContain(refusal.code)
    },
  )
})

describe('an argument that is none', () => {
  it.each([null, 'x', 5])('is refused as options: %j', async (options) => {
    const { runtime, started } = await openStage()
    const container = await started()
    for (const attempt of [
      runtime.stopContainer(container, 1, wrongly(options)),
      runtime.deleteContainer(container, wrongly(options)),
      runtime.startExec(container, ['/bin/true'], wrongly(options)),
      runtime.close(wrongly(options)),
      runtime.shutdown(wrongly(options)),
    ]) {
      expect(await refusalOf(attempt)).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'options' })
    }
    expect(container.phase).toBe('running')
  })

  it.each([Number.NaN, '10', undefined, null, 10n])('is refused as a timeout: %s', async (timeout) => {
    const { runtime, started, calls } = await openStage()
    const container = await started()
    const refusal = await refusalOf(runtime.stopContainer(container, wrongly<number>(timeout)))
    expect(refusal).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'timeoutSeconds' })
    expect(calls('signal')).toBe(0)
  })

  it.each(['NOSUCH', 0, 65, 1.5, Number.NaN, ''])('is refused as a signal: %s', async (signal) => {
    const { runtime, started, calls } = await openStage()
    const container = await started()
    expect(await refusalOf(runtime.signalContainer(container, signal))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      field: 'signal',
      operation: 'signalContainer',
      containerId: container.id,
    })
    expect(calls('signal')).toBe(0)
  })

  it.each([{}, 'abort', { aborted: true }])(
    'is refused as an AbortSignal before anything is done: %s',
    async (signal) => {
      const { runtime, clock, describe: describeContainer, calls } = await openStage()
      const options = { signal: wrongly<AbortSignal>(signal) }
      const container = describeContainer()
      const refusal = await refusalOf(runtime.createContainer(container, undefined, options))
      expect(refusal).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'signal' })
      expect(calls('create')).toBe(0)
      await clock.runUntil(runtime.createContainer(container))
      for (const attempt of [
        runtime.startContainer(container, options),
        runtime.stopContainer(container, 0, options),
        runtime.waitContainer(container, options),
        runtime.waitContainerStateStopped(container, options),
        runtime.updateContainerStatus(container, options),
      ]) {
        expect((await refusalOf(attempt)).code).toBe('ERR_INVALID_ARGUMENT')
      }
      expect(container.phase).toBe('created')
    },
  )
})

describe('signalContainer', () => {
  it('sends the signal by name or number', async () => {
    const { runtime, sim, started } = await openStage()
    const container = await started()
    await runtime.signalContainer(container, 'usr1')
    await runtime.signalContainer(container, 12)
    expect(sim.world(container.id).signals).toEqual([10, 12])
  })

  it('is given up after its limit, and the container goes on', async () => {
    const { runtime, sim, clock, started } = await openStage()
    const container = await started()
    sim.inject(container.id, { effect: 'signal', fault: 'hang' })
    const attempt = refusalOf(runtime.signalContainer(container, 'USR1'))
    expect((await clock.runUntil(attempt)).code).toBe('ERR_TIMEOUT')
    expect(clock.now()).toBe(10_000)
    expect(container.phase).toBe('running')
    expect(clock.pending).toBe(0)
  })
})

describe('deleteContainer without force', () => {
  it('refuses what lives and takes what does not', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started()
    expect((await refusalOf(runtime.deleteContainer(container, { force: false }))).code).toBe(
      'ERR_WRONG_STATUS',
    )
    await clock.runUntil(runtime.stopContainer(container, 0))
    await runtime.deleteContainer(container, { force: false })
    expect(container.phase).toBe('deleted')
  })

  it('is refused at once during a stop, however long that may take, and leaves it alone', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started({ onTerm: 'ignore' })
    const stop = runtime.stopContainer(container, Number.POSITIVE_INFINITY)
    const refusal = await refusalOf(runtime.deleteContainer(container, { force: false }))
    expect(refusal).toMatchObject({ code: 'ERR_WRONG_STATUS', operation: 'deleteContainer' })
    expect(refusal.message).toContain('does not permit delete without force')
    expect([await standing(clock, stop), container.phase]).toEqual(['waits', 'stopping.grace'])
    await clock.runUntil(Promise.all([stop, runtime.deleteContainer(container)]))
    expect(container.phase).toBe('deleted')
  })

  it('is refused during a create, which goes on', async () => {
    const { runtime, clock, sim, describe: describeContainer } = await openStage()
    const container = describeContainer()
    sim.inject(container.id, { effect: 'create', fault: 'late', delayMs: 1000 })
    const create = runtime.createContainer(container)
    await clock.settle()
    const refusal = await refusalOf(runtime.deleteContainer(container, { force: false }))
    expect([refusal.code, container.phase]).toEqual(['ERR_WRONG_STATUS', 'creating'])
    await clock.runUntil(create)
    expect(container.phase).toBe('created')
  })
})

describe('the façade of one container', () => {
  it('does what the runtime does', async () => {
    const { runtime, sim, clock, describe: describeContainer } = await openStage()
    const container = describeContainer()
    const facade = runtime.runtimeImpl(container)
    await clock.runUntil(facade.createContainer())
    await clock.runUntil(facade.startContainer())
    await clock.runUntil(facade.pauseContainer())
    expect(sim.world(container.id).frozen).toBe(true)
    await clock.runUntil(facade.unpauseContainer())
    await facade.signalContainer('USR2')
    await facade.updateContainerStatus()
    await clock.runUntil(facade.stopContainer(1))
    await facade.waitContainerStateStopped()
    await clock.runUntil(facade.deleteContainer())
    expect(container.phase).toBe('deleted')
  })
})

describe('opening', () => {
  it('refuses a default handler whose type has no implementation, by name', async () => {
    const config = defineConfig({ defaultRuntime: 'mine', runtimes: { mine: { runtimeType: 'toString' } } })
    const refusal = await refusalOf(Runtime.open(config))
    expect(refusal).toMatchObject({ code: 'ERR_CONFIG', operation: 'open' })
    expect(refusal.message).toContain('"mine"')
  })

  it('shows its handlers', async () => {
    const { runtime } = await openStage()
    expect(Object.keys(runtime.runtimes())).toEqual(['sim', 'other'])
    expect(runtime.validateRuntimeHandler('sim').runtimeType).toBe('sim')
    expect(() => runtime.validateRuntimeHandler('nobody')).toThrow('nobody')
  })

  it('survives a logger that throws', async () => {
    const logger = { debug: broken, info: broken, warn: broken, error: broken }
    const { started, clock, runtime } = await openStage({ logger })
    const container = await started()
    await clock.runUntil(runtime.deleteContainer(container))
    expect(container.phase).toBe('deleted')
  })
})
