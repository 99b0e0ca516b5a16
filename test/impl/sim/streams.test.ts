import { duplexPair } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { SimulatedListener } from '../../../src/testing.ts'
import { containerOf, readInto, simulation } from './fixture.ts'

const echo: SimulatedListener = (connection) => connection.pipe(connection)

async function stage() {
  const world = simulation()
  const container = containerOf('c', ['server'])
  const { init } = await world.create(container)
  const { sim } = world
  const forward = (port: number, signal = world.signal) => {
    const [client, theirs] = duplexPair()
    const seen = readInto(client)
    client.on('error', () => undefined)
    const over = sim.streams.portForward(container, init, { port, stream: theirs }, { signal })
    const answer = over.then(
      () => 'over',
      (error: { code: string }) => error.code,
    )
    return { client, theirs, seen, answer }
  }
  return { ...world, container, init, forward, begin: () => world.start(container) }
}

describe('a port of a container', () => {
  it('is served by its listener, each direction ending for itself', async () => {
    const { sim, forward, begin, clock } = await stage()
    sim.listen('c', 80, echo)
    await begin()
    const { client, seen, answer } = forward(80)
    client.write('hello')
    await clock.settle()
    expect(seen.text).toBe('hello')
    client.end(' world')
    expect(await answer).toBe('over')
    await clock.settle()
    expect(seen).toEqual({ text: 'hello world', isOver: true })
    expect(clock.pending).toBe(0)
  })

  it('takes ten million bytes in both directions, and in order', async () => {
    const { sim, forward, begin, clock } = await stage()
    sim.listen('c', 80, echo)
    await begin()
    const { client, seen, answer } = forward(80)
    const bytes = Buffer.alloc(10_000_000, 'abcdefghijk')
    client.end(bytes)
    expect(await answer).toBe('over')
    await clock.settle()
    expect(seen.text).toBe(bytes.toString('latin1'))
  })

  it('is refused where nobody listens: not yet, not there, not any more', async () => {
    const { sim, forward, begin } = await stage()
    sim.listen('c', 80, echo)
    const early = forward(80)
    expect(await early.answer).toBe('ERR_PORT_REFUSED')
    expect(early.theirs.destroyed).toBe(false)
    await begin()
    expect(await forward(81).answer).toBe('ERR_PORT_REFUSED')
    sim.listen(() => true, 80, undefined)
    expect(await forward(80).answer).toBe('ERR_PORT_REFUSED')
    expect(await forward(0).answer).toBe('ERR_INVALID_ARGUMENT')
    expect(() => sim.listen('c', 70_000, echo)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'port', operation: 'listen' }),
    )
  })

  it('is not there when the container has ended, nor in one that came after it', async () => {
    const { sim, container, init, create, signal, forward, begin } = await stage()
    sim.listen('c', 80, echo)
    await begin()
    sim.exitNow('c', 0)
    expect(await forward(80).answer).toBe('ERR_NOT_RUNNING')
    await sim.cleanUp(container, { signal })
    const next = await create(container)
    expect(next.init).not.toEqual(init)
    expect(await forward(80).answer).toBe('ERR_NOT_RUNNING')
  })

  it('hears of a client that has left what that had said', async () => {
    const { sim, forward, begin, clock } = await stage()
    const heard: { text: string; isOver: boolean }[] = []
    sim.listen('c', 80, (connection) => void heard.push(readInto(connection)))
    await begin()
    const { client, theirs, answer } = forward(80)
    client.end('last words')
    await clock.settle()
    theirs.destroy()
    expect(await answer).toBe('over')
    expect(heard).toEqual([{ text: 'last words', isOver: true }])
  })

  it('hears that also when it is thawed only after the client has left', async () => {
    const { sim, forward, begin, clock } = await stage()
    const heard: { text: string; isOver: boolean }[] = []
    sim.listen('c', 80, (connection) => void heard.push(readInto(connection)))
    await begin()
    sim.freezeFromOutside('c')
    const { client, theirs, answer } = forward(80)
    client.end('last words')
    await clock.settle()
    theirs.destroy()
    expect(await answer).toBe('over')
    sim.thawFromOutside('c')
    await clock.settle()
    expect(heard).toEqual([{ text: 'last words', isOver: true }])
  })

  it('may break the connection, in the middle of it or at once', async () => {
    const { sim, forward, begin, clock } = await stage()
    sim.listen('c', 80, (connection) => {
      connection.once('data', () => connection.destroy(new Error('reset')))
    })
    sim.listen('c', 81, () => {
      throw new Error('a bug in the script')
    })
    await begin()
    const { client, answer } = forward(80)
    client.write('hello')
    expect(await answer).toBe('ERR_IO')
    expect(await forward(81).answer).toBe('ERR_IO')
    expect(clock.pending).toBe(0)
  })

  it('ends with the container, and when nobody waits any more', async () => {
    const { sim, forward, begin, clock } = await stage()
    sim.listen('c', 80, echo)
    await begin()
    const abort = new AbortController()
    const aborted = forward(80, abort.signal)
    const ended = forward(80)
    aborted.client.write('x')
    ended.client.write('y')
    await clock.settle()
    abort.abort()
    expect(await aborted.answer).toBe('ERR_ABORTED')
    expect(aborted.theirs.destroyed).toBe(true)
    sim.exitNow('c', 0)
    await clock.settle()
    expect(await ended.answer).toBe('over')
    expect(ended.seen).toEqual({ text: 'y', isOver: true })
  })

  it('ends with the supervisor', async () => {
    const { sim, forward, begin, clock } = await stage()
    sim.listen('c', 80, echo)
    await begin()
    const { theirs, answer } = forward(80)
    await clock.settle()
    await sim.close()
    expect(await answer).toBe('ERR_CLOSED')
    expect(theirs.destroyed).toBe(true)
    expect(await forward(80).answer).toBe('ERR_CLOSED')
  })

  it('is not even looked at for who does not wait', async () => {
    const { forward, begin } = await stage()
    await begin()
    const abort = new AbortController()
    abort.abort()
    expect(await forward(80, abort.signal).answer).toBe('ERR_ABORTED')
  })

  it('connects, and says nothing, while the container is frozen', async () => {
    const { sim, forward, begin, clock } = await stage()
    sim.listen('c', 80, echo)
    await begin()
    sim.freezeFromOutside('c')
    const { client, seen } = forward(80)
    client.write('cold')
    await clock.advance(1000)
    expect(seen.text).toBe('')
    sim.thawFromOutside('c')
    await clock.settle()
    expect(seen.text).toBe('cold')
  })

  it('is let go of by a client that leaves while the runtime hangs', async () => {
    const { sim, forward, begin } = await stage()
    await begin()
    sim.inject('c', { effect: 'portForward', fault: 'hang' })
    const { theirs, answer } = forward(80)
    theirs.destroy()
    expect(await answer).toBe('over')
  })
})

describe('the log of a container', () => {
  it('goes on in a new file when that is asked for, unless nothing stands in this one', async () => {
    const { sim, container, signal, clock, create, start } = await stage()
    const other = containerOf('talk', ['sh', '-c', 'echo a; echo b >&2; sleep 1; echo c; sleep 1; echo d'])
    await create(other)
    const reopen = () => sim.streams.reopenLog(other, { signal })
    await reopen()
    await start(other)
    await reopen()
    await reopen()
    await clock.advance(1000)
    expect(sim.logs('talk')).toEqual(['a\nb\n', 'c\n'])
    await reopen()
    await clock.advance(1000)
    expect(sim.logs('talk')).toEqual(['a\nb\n', 'c\n', 'd\n'])
    await expect(reopen()).rejects.toMatchObject({ code: 'ERR_MONITOR_LOST' })
    expect(sim.logs('absent')).toEqual([])
    expect(sim.logs(container.id)).toEqual([''])
  })

  it('waits for a monitor that does not answer, and not for ever', async () => {
    const { sim, container, signal, clock } = await stage()
    const reopen = (by = signal) => sim.streams.reopenLog(container, { signal: by })
    sim.muteMonitor('c')
    const abort = new AbortController()
    const answers = [reopen(), reopen(abort.signal)].map((answer) =>
      answer.catch((error: { code: string }) => error.code),
    )
    await clock.advance(5999)
    abort.abort()
    expect(await answers[1]).toBe('ERR_ABORTED')
    await clock.advance(1)
    expect(await answers[0]).toBe('ERR_TIMEOUT')
    const third = reopen()
    sim.unmuteMonitor('c')
    await third
    expect(clock.pending).toBe(0)
  })
})
