import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { ExecChange } from '../../src/actors/actor-world.ts'
import { ContainerExecs } from '../../src/actors/container-execs.ts'
import { Container } from '../../src/container.ts'
import { OciError } from '../../src/errors/index.ts'
import type { ExecExit, ExecPort, ExecSession } from '../../src/impl/exec-port.ts'
import { SimulatedClock } from '../../src/testing.ts'
import { systemClock } from '../../src/surroundings/clock.ts'

/** A port whose commands start and end when the test says so. */
function stage(endAll: (limitMs: number) => boolean = () => true) {
  const container = new Container({ id: 'c1', bundlePath: '/b' })
  const { promise: session, resolve: start } = Promise.withResolvers<ExecSession>()
  const { promise: exited, resolve: exit } = Promise.withResolvers<ExecExit>()
  const signals: number[] = []
  let given: AbortSignal | undefined
  const port: ExecPort & { startExec: ExecPort['startExec'] } = {
    execSync: () => Promise.reject(new Error('nobody asks for this')),
    startExec: (_container, _request, { signal }) => {
      given = signal
      return session
    },
    sessions: () => [],
    endAll: (_, limitMs) => Promise.resolve(endAll(limitMs)),
    close: () => Promise.resolve(),
  }
  const events: ExecChange[] = []
  const execs = new ContainerExecs({
    container,
    execs: port,
    clock: systemClock,
    startTimeoutMs: 60_000,
    publish: (event) => events.push(event),
  })
  const running: ExecSession = {
    id: 'e1',
    containerId: 'c1',
    argv: ['/bin/true'],
    pid: 42,
    stdin: undefined,
    stdout: undefined,
    stderr: undefined,
    exited,
    kill: (signal) => {
      signals.push(signal)
      return Promise.resolve(true)
    },
    resize: () => Promise.resolve(),
  }
  return {
    execs,
    port,
    events,
    signals,
    exit,
    told: () => given?.aborted,
    begun: (onDisconnect?: 'leave', signal = new AbortController().signal) =>
      execs.start(port, { argv: ['/bin/true'], onDisconnect }, signal),
    start: () => {
      start(running)
    },
  }
}

/** A port whose starts hang until they are told to end, and are gone when the test says so. */
function hanging() {
  const clock = new SimulatedClock()
  const gone = Promise.withResolvers<undefined>()
  const told: AbortSignal[] = []
  const port: ExecPort = {
    execSync: () => Promise.reject(new Error('nobody asks for this')),
    startExec: async (_container, _request, { signal }) => {
      told.push(signal)
      await once(signal, 'abort')
      await gone.promise
      throw new OciError('ERR_ABORTED', 'it is gone')
    },
    sessions: () => [],
    endAll: () => Promise.resolve(true),
    close: () => Promise.resolve(),
  }
  const container = new Container({ id: 'c1', bundlePath: '/b' })
  const events: ExecChange[] = []
  const publish = (event: ExecChange): void => void events.push(event)
  const execs = new ContainerExecs({ container, execs: port, clock, startTimeoutMs: 60_000, publish })
  const abort = new AbortController()
  const begun = (onDisconnect?: 'leave') =>
    execs.start(port, { argv: ['/bin/true'], onDisconnect }, abort.signal)
  return { execs, clock, told, gone, abort, begun, events }
}

describe('a command that does not begin to run', () => {
  it('is listed as starting, and as ending once its start was aborted, until it is gone', async () => {
    const { execs, told, gone, abort, begun, events } = hanging()
    const refused = begun().catch((error: unknown) => error)
    expect(execs.list).toMatchObject([{ phase: 'starting', argv: ['/bin/true'], pid: undefined }])
    abort.abort()
    expect(told.map(({ aborted }) => aborted)).toEqual([true])
    expect(execs.list).toMatchObject([{ phase: 'ending' }])
    gone.resolve(undefined)
    expect(await refused).toMatchObject({ code: 'ERR_ABORTED' })
    await expect.poll(() => execs.list).toEqual([])
    expect(events).toEqual([])
  })

  it.each([undefined, 'leave'] as const)('is ended at the limit: onDisconnect %s', async (onDisconnect) => {
    const { execs, clock, told, gone, abort, begun } = hanging()
    const refused = begun(onDisconnect).catch((error: unknown) => error)
    if (onDisconnect === 'leave') abort.abort()
    expect(told.map(({ aborted }) => aborted)).toEqual([false])
    await clock.advance(60_000)
    expect(await refused).toMatchObject({ code: 'ERR_TIMEOUT', operation: 'startExec' })
    expect(told.map(({ aborted }) => aborted)).toEqual([true])
    expect(execs.list).toMatchObject([{ phase: 'ending' }])
    gone.resolve(undefined)
    await expect.poll(() => execs.list).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('is not listed when the implementation throws at once', async () => {
    const { execs, begun, port } = stage()
    port.startExec = () => {
      throw new Error('no commands today')
    }
    await expect(begun()).rejects.toThrow('no commands today')
    await expect.poll(() => execs.list).toEqual([])
  })

  it('is not begun when its caller has left before', async () => {
    const { execs, told, abort, begun } = hanging()
    abort.abort()
    await expect(begun()).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect([told, execs.list]).toEqual([[], []])
  })
})

describe('the commands of a container', () => {
  it('are given up, as ended unknown, when they outlast the end of the container', async () => {
    const { execs, events, begun, start, exit } = stage(() => false)
    start()
    const { exited } = await begun()
    expect(await execs.end(2000)).toBe(false)
    const unknown: ExecExit = { kind: 'unknown', why: 'given-up' }
    expect(await exited).toEqual(unknown)
    exit({ kind: 'code', code: 0 })
    await Promise.resolve()
    expect(events).toEqual([
      { type: 'execStarted', execId: 'e1', pid: 42 },
      { type: 'execExited', execId: 'e1', exit: unknown },
    ])
    expect(execs.list).toEqual([])
  })

  it('are given up where the implementation cannot end them', async () => {
    const { execs, events, begun, start } = stage(() => {
      throw new Error('EMFILE')
    })
    start()
    const { exited } = await begun()
    await expect(execs.end(2000)).rejects.toThrow('EMFILE')
    expect(await exited).toEqual({ kind: 'unknown', why: 'given-up' })
    expect([execs.list, events.length]).toEqual([[], 2])
  })

  it('are killed, and not told of, when they start after the end of the container', async () => {
    const { execs, events, signals, begun, start } = stage()
    const starting = begun()
    expect(await execs.end(2000)).toBe(true)
    start()
    await expect(starting).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING', operation: 'startExec' })
    expect([events, signals, execs.list]).toEqual([[], [9], []])
  })

  it('that are to be left go on when their start is aborted, and the implementation lets go of them then', async () => {
    const { execs, events, signals, begun, start, told } = stage()
    const abort = new AbortController()
    const starting = begun('leave', abort.signal)
    abort.abort()
    expect(told()).toBe(false)
    start()
    await starting
    expect(told()).toBe(true)
    expect(execs.list).toMatchObject([{ phase: 'running', id: 'e1', pid: 42 }])
    expect([events, signals]).toEqual([[{ type: 'execStarted', execId: 'e1', pid: 42 }], []])
  })

  it('have all ended where an implementation has none', async () => {
    const execs = new ContainerExecs({
      container: new Container({ id: 'c1', bundlePath: '/b' }),
      execs: undefined,
      clock: systemClock,
      startTimeoutMs: 60_000,
      publish: () => undefined,
    })
    expect(await execs.end(2000)).toBe(true)
  })

  it('end with the code they had, when that is heard before they are given up', async () => {
    const { execs, events, begun, start, exit } = stage()
    start()
    const { exited } = await begun()
    exit({ kind: 'code', code: 7 })
    expect(await exited).toEqual({ kind: 'code', code: 7 })
    await execs.end(2000)
    expect(events.map(({ type }) => type)).toEqual(['execStarted', 'execExited'])
  })
})
