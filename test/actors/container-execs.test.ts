import { describe, expect, it } from 'vitest'
import type { ExecChange } from '../../src/actors/actor-world.ts'
import { ContainerExecs } from '../../src/actors/container-execs.ts'
import { Container } from '../../src/container.ts'
import type { ExecExit, ExecPort, ExecSession } from '../../src/impl/exec-port.ts'
import { systemClock } from '../../src/surroundings/clock.ts'

/** A port whose commands start and end when the test says so. */
function stage(endAll: (limitMs: number) => boolean = () => true) {
  const container = new Container({ id: 'c1', bundlePath: '/b' })
  const { promise: session, resolve: start } = Promise.withResolvers<ExecSession>()
  const { promise: exited, resolve: exit } = Promise.withResolvers<ExecExit>()
  const signals: number[] = []
  const port: ExecPort = {
    execSync: () => Promise.reject(new Error('nobody asks for this')),
    startExec: () => session,
    sessions: () => [],
    endAll: (_, limitMs) => Promise.resolve(endAll(limitMs)),
    close: () => Promise.resolve(),
  }
  const events: ExecChange[] = []
  const execs = new ContainerExecs({
    container,
    execs: port,
    clock: systemClock,
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
    events,
    signals,
    exit,
    begun: () => execs.start(port, { argv: ['/bin/true'] }, new AbortController().signal),
    start: () => {
      start(running)
    },
  }
}

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

  it('are killed, and not told of, when they start after the end of the container', async () => {
    const { execs, events, signals, begun, start } = stage()
    const starting = begun()
    expect(await execs.end(2000)).toBe(true)
    start()
    await expect(starting).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING', operation: 'startExec' })
    expect([events, signals, execs.list]).toEqual([[], [9], []])
  })

  it('have all ended where an implementation has none', async () => {
    const execs = new ContainerExecs({
      container: new Container({ id: 'c1', bundlePath: '/b' }),
      execs: undefined,
      clock: systemClock,
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
