/** Whatever a program without types passes to whatever is public: an OciError or success, and nothing else has changed. */
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { messageOf } from '../../src/errors/index.ts'
import * as main from '../../src/index.ts'
import { Container, isOciError, MemoryStore, Runtime } from '../../src/index.ts'
import * as inspect from '../../src/inspect/index.ts'
import * as metrics from '../../src/metrics.ts'
import * as testing from '../../src/testing.ts'
import { SimulatedClock, SimulatedRuntime } from '../../src/testing.ts'
import { makeTempRoot } from '../support/temp-root.ts'
import { wrongly } from '../support/wrongly.ts'
import { rubbish, rubbishArguments } from './rubbish.ts'
import { openStage } from './stage.ts'

/** A function whose parameters nobody has checked. */
type Untyped = (...args: readonly unknown[]) => unknown
type Stage = Awaited<ReturnType<typeof openStage>>

function untyped(owner: object, name: string): Untyped {
  const method: unknown = Reflect.get(owner, name)
  if (typeof method !== 'function') throw new Error(`${name} is no function`)
  return (...args) => wrongly<Untyped>(method).apply(owner, [...args])
}

function constructed(made: unknown): Untyped {
  const Class = wrongly<new (...args: readonly unknown[]) => object>(made)
  return (...args) => new Class(...args)
}

function methodsOf(prototype: object): string[] {
  return Object.getOwnPropertyNames(prototype).filter((name) => {
    const value: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value
    return name !== 'constructor' && typeof value === 'function'
  })
}

/** What comes of a call, to its end: of what is opened the end is that it is closed, of what is read its first part. */
async function outcomeOf(call: () => unknown): Promise<unknown> {
  try {
    const given = await call()
    if (given instanceof Runtime) await given.close()
    else if (typeof given === 'object' && given !== null && Symbol.asyncIterator in given) {
      const iterator = wrongly<AsyncIterable<unknown>>(given)[Symbol.asyncIterator]()
      const first = iterator.next()
      await iterator.return?.()
      await first
    } else if (typeof given === 'object' && given !== null && 'url' in given && 'close' in given) {
      await untyped(given, 'close')()
    } else if (typeof given === 'function') wrongly<Untyped>(given)()
    return undefined
  } catch (error) {
    return error
  }
}

async function expectTyped(
  call: Untyped,
  arguments_: fc.Arbitrary<readonly unknown[]>,
  runs = 200,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(arguments_, async (args) => {
      const error = await outcomeOf(() => call(...args))
      if (error === undefined || isOciError(error)) return
      throw new Error('no OciError', { cause: error })
    }),
    { numRuns: runs },
  )
}

/** Rubbish in the place of one argument or more, where the others may be right. */
function argumentsLike(...right: readonly unknown[]): fc.Arbitrary<readonly unknown[]> {
  return fc.oneof(
    rubbishArguments,
    fc.tuple(...right.map((value) => fc.oneof(rubbish, fc.constant(value)))),
    ...right.map((_, at) => rubbish.map((value) => right.with(at, value))),
  )
}

async function expectUnchanged({ runtime, clock }: Stage, good: Container): Promise<void> {
  expect(good.phase).toBe('running')
  expect(runtime.containers.list()).toEqual([good])
  const fresh = new Container({ id: 'fresh', bundlePath: '/b' })
  await clock.runUntil(runtime.createContainer(fresh))
  await clock.runUntil(runtime.deleteContainer(fresh))
}

const verbs = methodsOf(Runtime.prototype).filter((name) => !['close', 'shutdown'].includes(name))

describe('a method of the runtime', () => {
  it.each(verbs)('takes rubbish for what it is: %s', async (verb) => {
    const stage = await openStage()
    const good = await stage.started({}, { id: 'good' })
    const stranger = new Container({ id: 'stranger', bundlePath: '/b' })
    const call = untyped(stage.runtime, verb)
    await expectTyped(call, argumentsLike(undefined, undefined, undefined, undefined))
    // The container is a right one and only the rest is rubbish, where that can do nothing to it.
    const lasting = ['createContainer', 'waitContainer', 'waitContainerStateStopped', 'recover']
    if (!lasting.includes(verb))
      await expectTyped(
        call,
        rubbishArguments.map((rest) => [stranger, ...rest]),
      )
    await expectUnchanged(stage, good)
  })

  it('takes rubbish for what it is: close and shutdown', async () => {
    const { runtime } = await openStage()
    for (const name of ['close', 'shutdown']) {
      const options = fc.oneof(
        fc.constantFrom(null, 1, 'x', 1n),
        fc.record({
          drainMs: fc.constantFrom('x', null, 1n),
          timeoutSeconds: fc.constantFrom('x', null, 1n),
        }),
      )
      await expectTyped(untyped(runtime, name), fc.tuple(options))
    }
    expect(await outcomeOf(() => runtime.recover())).toBeUndefined()
  })

  it('leaves a running container alone whatever is asked of it in a wrong way', async () => {
    const stage = await openStage()
    const good = await stage.started({}, { id: 'good' })
    const wrong = fc.constantFrom<unknown>(null, 'x', 1n, Symbol('s'), () => 1)
    for (const verb of [
      'startContainer',
      'stopContainer',
      'deleteContainer',
      'pauseContainer',
      'signalContainer',
      'updateContainer',
      'execSyncContainer',
      'startExec',
      'execContainer',
      'attachContainer',
      'portForwardContainer',
      'reopenContainerLog',
      'containerStats',
      'updateContainerStatus',
      'createContainer',
      'waitContainer',
    ]) {
      await expectTyped(untyped(stage.runtime, verb), fc.tuple(fc.constant(good), wrong, wrong, wrong), 20)
    }
    await expectUnchanged(stage, good)
  })
})

describe('a command that was started', () => {
  it('takes rubbish for what it is', async () => {
    const stage = await openStage()
    const good = await stage.started({}, { id: 'good' })
    const command = await stage.runtime.startExec(good, ['cat'], { tty: true, stdin: 'pipe', stdout: 'pipe' })
    // A number may be a signal, and nothing is one, too.
    const noSignal = rubbish.filter((value) => value !== undefined && !/^\d+$/u.test(messageOf(value)))
    await expectTyped(untyped(command, 'kill'), fc.tuple(noSignal, rubbish))
    await expectTyped(untyped(command, 'resize'), rubbishArguments)
    expect(good.execs.map(({ id }) => id)).toEqual([command.id])
    await expectUnchanged(stage, good)
  })

  it.each([
    ['text', ['one ', 'two'], { kind: 'code', code: 0 }, 'one two'],
    ['bytes', [Buffer.from('one '), new Uint8Array([50])], { kind: 'code', code: 0 }, 'one 2'],
    ['objects', [{ one: 1 }], { kind: 'code', code: 137 }, ''],
    ['numbers', [1, 2], { kind: 'code', code: 137 }, ''],
  ])(
    'reads a stream of %s, and does not take one that it cannot read for an empty one',
    async (_, chunks, exit, read) => {
      const { started, runtime, clock } = await openStage()
      const container = await started()
      const command = await runtime.startExec(container, ['cat'], {
        stdin: Readable.from(chunks),
        stdout: 'pipe',
      })
      const output = text(command.stdout ?? Readable.from([]))
      expect(await clock.runUntil(command.exited)).toEqual(exit)
      expect(await output).toBe(read)
    },
  )

  it('ends the session of an attached client whose input is neither bytes nor text, with the reason', async () => {
    const { started, runtime, clock } = await openStage()
    const container = await started({}, { stdin: true })
    const session = await runtime.attachContainer(container, { stdin: Readable.from([{ one: 1 }]) })
    expect(await clock.runUntil(session.ended)).toMatchObject({
      reason: 'streamFailed',
      error: { code: 'ERR_INVALID_ARGUMENT', field: 'stdin' },
    })
    expect(container.phase).toBe('running')
  })
})

describe('a public function', () => {
  const rootfs = '/tmp'
  const spec = main.defaultSpec({ rootfs, args: ['/bin/true'] })
  const config = main.defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } })
  const container = new Container({ id: 'right', bundlePath: '/b' })

  const right: Readonly<Record<string, readonly unknown[]>> = {
    defineConfig: [{ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } }],
    parseConfig: ['', ''],
    loadConfig: ['nothing.toml'],
    defaultSpec: [{ rootfs, args: ['/bin/true'], env: {}, user: {} }],
    writeBundle: ['bundle', spec],
    readBundleSpec: [container],
    fromDisk: [container],
    readContainerLog: ['log', { follow: false }],
    joinLogLines: [[], { lineMaxBytes: 1 }],
    memoryStateDirectory: [],
    isOciError: [undefined],
    setState: [container, {}],
    coverEdges: [testing.containerSpecification, [{ type: 'start' }], 10],
  }
  const elsewhere = new Set(['openInspector', 'collectMetrics'])
  const functions = Object.entries({ ...main, ...inspect, ...metrics, ...testing }).filter(
    ([name, value]) => typeof value === 'function' && /^[a-z]/u.test(name),
  )

  it.each(functions.filter(([name]) => !elsewhere.has(name)))(
    'takes rubbish for what it is: %s',
    async (name, value) => {
      const args = right[name]
      if (args === undefined) throw new Error(`say what ${name} is rightly called with`)
      await expectTyped(wrongly<Untyped>(value), argumentsLike(...args))
      const [options] = args
      if (typeof options !== 'object' || options === null || Array.isArray(options)) return
      const fields = Object.keys(options)
      const wrongField = fc
        .tuple(fc.constantFrom(...fields), rubbish)
        .map(([field, wrong]) => [{ ...options, [field]: wrong }, ...args.slice(1)])
      await expectTyped(wrongly<Untyped>(value), wrongField)
    },
  )

  it('takes rubbish for what it is: Runtime.open', async () => {
    const stateDir = makeTempRoot()
    const implementations = { sim: () => new SimulatedRuntime() }
    const options = { implementations, stateDirectory: main.memoryStateDirectory() }
    const inTemp = main.defineConfig({ ...config, stateDir })
    await expectTyped(untyped(Runtime, 'open'), argumentsLike(inTemp, options), 100)
    const fields = [
      'logger',
      'store',
      'clock',
      'implementations',
      'nodePath',
      'launcherPath',
      'attachBridgePath',
      'stateDirectory',
      'onMonitorLost',
      'limits',
      'recover',
    ]
    const wrongField = fc
      .tuple(fc.constantFrom(...fields), rubbish)
      .map(([field, wrong]) => [inTemp, { ...options, [field]: wrong }])
    await expectTyped(untyped(Runtime, 'open'), wrongField)
  })

  it('takes rubbish for what it is: openInspector', async () => {
    const { runtime } = await openStage()
    await expectTyped(untyped(inspect, 'openInspector'), argumentsLike(runtime, {}))
    const fields = ['socketPath', 'port', 'token', 'reveal', 'logs', 'origins', 'metrics']
    const wrongField = fc
      .tuple(fc.constantFrom(...fields), rubbish)
      .map(([field, wrong]) => [runtime, { [field]: wrong }])
    await expectTyped(untyped(inspect, 'openInspector'), wrongField)
  })

  it('takes rubbish for what it is, and leaves the registry as it was: collectMetrics', async () => {
    const { runtime } = await openStage()
    const register = new Registry()
    const call = wrongly<Untyped>(metrics.collectMetrics)
    await expectTyped(call, argumentsLike(runtime, { register }))
    const wrongField = fc
      .tuple(fc.constantFrom('register', 'prefix'), rubbish)
      .map(([field, wrong]) => [runtime, { register, [field]: wrong }])
    await expectTyped(call, wrongField)
    expect(register.getMetricsAsArray()).toEqual([])
  })
})

describe('a class', () => {
  it('takes rubbish for what it is: Container, with its setters', async () => {
    const options = { id: 'x', bundlePath: '/b' }
    await expectTyped(constructed(Container), argumentsLike(options))
    const fields = [
      'id',
      'name',
      'bundlePath',
      'logPath',
      'netns',
      'labels',
      'crioAnnotations',
      'annotations',
      'image',
      'metadata',
      'sandbox',
      'terminal',
      'stdin',
      'runtimeHandler',
      'dir',
      'createdAt',
      'stopSignal',
    ]
    const wrongField = fc
      .tuple(fc.constantFrom(...fields), rubbish)
      .map(([field, wrong]) => [{ ...options, [field]: wrong }])
    await expectTyped(constructed(Container), wrongField)
    const container = new Container({ id: 'x', bundlePath: '/b' })
    for (const name of methodsOf(Container.prototype).filter(
      (method) => !['seedState', 'bindView'].includes(method),
    )) {
      await expectTyped(untyped(container, name), rubbishArguments)
    }
    expect(container.volumes.every(({ hostPath }) => typeof hostPath === 'string')).toBe(true)
    expect(typeof container.state.id).toBe('string')
  })

  it('takes rubbish for what it is: MemoryStore', async () => {
    await expectTyped(constructed(MemoryStore), rubbishArguments)
    const store = new MemoryStore()
    for (const name of methodsOf(MemoryStore.prototype)) {
      await expectTyped(untyped(store, name), argumentsLike('id', undefined))
    }
    expect(store.list()).toEqual([])
  })

  it('takes rubbish for what it is: SimulatedClock', async () => {
    await expectTyped(constructed(SimulatedClock), argumentsLike({ epoch: new Date(), waitForFiles: true }))
    for (const name of methodsOf(SimulatedClock.prototype)) {
      const clock = new SimulatedClock()
      // What it is to call is called in the caller's time.
      await expectTyped(untyped(clock, name), rubbishArguments, 50)
    }
  })

  it('takes rubbish for what it is: SimulatedRuntime, as tests use it', async () => {
    await expectTyped(
      constructed(SimulatedRuntime),
      argumentsLike({}).map(([options]) => [options]),
    )
    const stage = await openStage()
    const good = await stage.started({}, { id: 'good' })
    for (const name of methodsOf(wrongly<object>(Object.getPrototypeOf(SimulatedRuntime.prototype)))) {
      await expectTyped(untyped(stage.sim, name), argumentsLike('nobody', {}, {}))
    }
    stage.sim.clearFaults()
    await expectUnchanged(stage, good)
  })
})
