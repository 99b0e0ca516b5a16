import { PassThrough, Readable } from 'node:stream'
import { BehaviorSubject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { ContainerOptions } from '../../../src/container.ts'
import type { AttachOptions } from '../../../src/impl/attach-port.ts'
import type { TerminalSize } from '../../../src/impl/terminal-size.ts'
import type { SimulatedProgram, SimulatedRun } from '../../../src/testing.ts'
import { containerOf, readInto, simulation } from './fixture.ts'

const MiB = 1024 * 1024

/** A created container: of arguments, or of a program. */
async function stage(what: string[] | SimulatedProgram = {}, options: Partial<ContainerOptions> = {}) {
  const world = simulation()
  const container = containerOf('c', Array.isArray(what) ? what : undefined, options)
  if (!Array.isArray(what)) world.sim.program('c', what)
  await world.create(container)
  const attach = (request: AttachOptions = {}, signal = world.signal) =>
    world.sim.attach(container, request, { signal })
  /** A client that reads, with what it has read. */
  const client = async (request: AttachOptions = {}) => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    const seen = { out: readInto(stdout), err: readInto(stderr) }
    const session = await attach({ stdout, stderr, ...request })
    return { session, stdout, stderr, out: () => seen.out.text, err: () => seen.err.text }
  }
  return { ...world, container, attach, client, begin: () => world.start(container) }
}

/** Says the size of its terminal, twice. */
const tellSize: SimulatedRun = async (_, io) => {
  for (let round = 0; round < 2; round += 1) {
    io.stdout.write(`${io.terminalSize?.width}x${io.terminalSize?.height} `)
    await io.sleep(10)
  }
}

/** A client's stream that never takes more than it can hold. */
const neverRead = () => new PassThrough({ highWaterMark: 1024 })
const ended = (reason: string) => ({ reason, error: undefined })

describe('the output of a container', () => {
  it('is whole for all who were attached before it started, and ends with it', async () => {
    const { client, begin, clock } = await stage(['sh', '-c', 'echo a; sleep 1; echo b >&2; echo c'])
    const clients = [await client(), await client()]
    await begin()
    await clock.advance(1000)
    for (const { session, out, err } of clients) {
      expect(await session.ended).toEqual(ended('exited'))
      expect([out(), err()]).toEqual(['a\nc\n', 'b\n'])
    }
    expect(clients.map(({ stdout }) => stdout.writableEnded)).toEqual([false, false])
    expect(clock.pending).toBe(0)
  })

  it('is that from then on for one who comes later', async () => {
    const { client, begin, clock } = await stage(['sh', '-c', 'echo a; sleep 2; echo b'])
    await begin()
    await clock.advance(1000)
    const { session, out } = await client()
    await clock.advance(1000)
    expect(await session.ended).toEqual(ended('exited'))
    expect(out()).toBe('b\n')
  })

  it('is there even if the container ends before its start returns', async () => {
    const { client, begin, clock } = await stage({ exitsBeforeStart: true, output: 'hi\n' })
    const { session, out } = await client()
    await begin()
    await clock.settle()
    expect(await session.ended).toEqual(ended('exited'))
    expect(out()).toBe('hi\n')
  })

  it('is all on stdout of a terminal', async () => {
    const { client, begin, clock } = await stage(['sh', '-c', 'echo a; echo b >&2'], { terminal: true })
    const { session, out, err } = await client({ tty: true })
    await begin()
    await clock.advance(0)
    await session.ended
    expect([out(), err()]).toEqual(['a\nb\n', ''])
  })

  it('does not wait for a client that never reads: it is dropped, the others and the log get all', async () => {
    const run: SimulatedRun = async (_, io) => {
      for (let count = 0; count < 20; count += 1) {
        io.stdout.write(Buffer.alloc(MiB, 'x'))
        await io.sleep(1)
      }
    }
    const { sim, attach, client, begin, clock } = await stage({ run })
    const stuck = await attach({ stdout: neverRead() })
    const patient = await attach({ stdout: neverRead(), bufferMaxBytes: 50 * MiB })
    const { session, out } = await client()
    await begin()
    await clock.runUntil(session.ended)
    expect(await stuck.ended).toEqual(ended('dropped'))
    expect(out()).toHaveLength(20 * MiB)
    expect(sim.world('c').status).toBe('stopped')
    expect(sim.logs('c').map(({ length }) => length)).toEqual([MiB])
    // This one had room for it. After the end it may take its time, but not for ever.
    expect(await clock.runUntil(patient.ended)).toEqual(ended('dropped'))
    expect(clock.pending).toBe(0)
  })

  it('loses nothing for a client that was late for a moment', async () => {
    const output = Array.from({ length: 6 }, (_, index) => ({ afterMs: index, stdout: Buffer.alloc(MiB) }))
    const { attach, begin, clock } = await stage({ output, runsForMs: 100 })
    const stdout = new PassThrough()
    const session = await attach({ stdout })
    await begin()
    await clock.advance(500)
    const seen = readInto(stdout)
    expect(await clock.runUntil(session.ended)).toEqual(ended('exited'))
    expect(seen.text).toHaveLength(6 * MiB)
    expect(clock.now()).toBeLessThan(1000)
  })

  it('stays with a muted monitor until that is unmuted', async () => {
    const { sim, client, begin, clock } = await stage([
      'sh',
      '-c',
      'sleep 1; echo a; sleep 1; echo b; exit 3',
    ])
    const { session, out } = await client()
    await begin()
    sim.muteMonitor('c')
    await clock.advance(10_000)
    expect(out()).toBe('')
    expect(sim.logs('c')).toEqual([''])
    sim.unmuteMonitor('c')
    await clock.advance(2000)
    expect(await session.ended).toEqual(ended('exited'))
    expect(out()).toBe('a\nb\n')
  })

  it('has no end while the monitor says nothing', async () => {
    const { sim, client, begin, clock } = await stage()
    const { session } = await client()
    await begin()
    sim.killProcessSilently('c')
    let isOver = false
    void session.ended.then(() => (isOver = true))
    await clock.advance(60_000)
    expect(isOver).toBe(false)
    sim.unmuteMonitor('c')
    expect(await session.ended).toEqual(ended('exited'))
  })

  it('is lost with the monitor', async () => {
    const { sim, client, begin, clock } = await stage(['sh', '-c', 'sleep 1; echo a; sleep 1'])
    const { session, out } = await client()
    await begin()
    sim.killMonitor('c')
    expect(await session.ended).toEqual(ended('exited'))
    await clock.advance(2000)
    expect(out()).toBe('')
    expect(sim.world('c').status).toBe('stopped')
  })
})

describe('the input of a container', () => {
  it('comes from any client and ends with none of them', async () => {
    const { client, begin, clock, sim } = await stage(['cat'], { stdin: true })
    await begin()
    const [first, second] = [new PassThrough(), new PassThrough()]
    const clients = [await client({ stdin: first }), await client({ stdin: second })]
    first.write('1')
    second.end('2')
    await clock.settle()
    clients[0]?.session.close()
    expect(await clients[0]?.session.ended).toEqual(ended('closed'))
    await clock.advance(1000)
    expect(clients.map(({ out }) => out())).toEqual(['12', '12'])
    expect(sim.world('c').status).toBe('running')
  })

  it('ends with a client, also with one that leaves, when it is for once', async () => {
    for (const leave of [true, false]) {
      const { client, begin, clock, exits } = await stage(['cat'], { stdin: true, stdinOnce: true })
      await begin()
      const stdin = new PassThrough()
      const { session, out } = await client({ stdin })
      stdin.write('said')
      await clock.settle()
      if (leave) session.close()
      else stdin.end()
      await clock.advance(0)
      expect(await session.ended).toEqual(ended(leave ? 'closed' : 'exited'))
      expect(out()).toBe('said')
      expect(exits).toMatchObject([{ code: 0 }])
    }
  })

  it('is read and thrown away where there is none', async () => {
    const { client, begin, clock, exits } = await stage(['cat'])
    const stdin = Readable.from(['a', 'b'])
    const { session } = await client({ stdin })
    await begin()
    await clock.advance(0)
    expect(await session.ended).toEqual(ended('exited'))
    expect(exits).toMatchObject([{ code: 0 }])
    expect(stdin.readableEnded).toBe(true)
  })

  it('is held up while the container is frozen', async () => {
    const { sim, client, begin, clock } = await stage(['cat'], { stdin: true })
    const stdin = new PassThrough()
    const { out } = await client({ stdin })
    await begin()
    sim.freezeFromOutside('c')
    stdin.write('cold')
    await clock.advance(1000)
    expect(out()).toBe('')
    sim.thawFromOutside('c')
    await clock.settle()
    expect(out()).toBe('cold')
  })
})

describe('a client of a container', () => {
  it('leaves by the keys, which the container does not see', async () => {
    const { client, begin, clock } = await stage(['cat'], { terminal: true })
    await begin()
    const stdin = new PassThrough()
    const { session, out } = await client({ stdin })
    stdin.write('typed\x10')
    stdin.write('\x11more')
    await clock.settle()
    expect(await session.ended).toEqual(ended('detached'))
    expect(out()).toBe('typed')
    expect(stdin.destroyed).toBe(false)
  })

  it('is told which of its streams failed', async () => {
    const { client } = await stage()
    const { session, stdout } = await client()
    const error = new Error('the browser is gone')
    stdout.destroy(error)
    expect(await session.ended).toEqual({ reason: 'streamFailed', error })
  })

  it('sets the size of the terminal, before the container looks and later', async () => {
    const { client, begin, clock } = await stage({ run: tellSize }, { terminal: true })
    const resize$ = new BehaviorSubject<TerminalSize>({ width: 100, height: 40 })
    const { session, out } = await client({ resize$ })
    await begin()
    resize$.next({ width: 80, height: 24 })
    await clock.advance(20)
    expect(await session.ended).toEqual(ended('exited'))
    expect(out()).toBe('100x40 80x24 ')
    expect(resize$.observed).toBe(false)
  })

  it('leaves when its signal aborts, and when the supervisor goes', async () => {
    const { attach, sim } = await stage()
    const abort = new AbortController()
    const sessions = [await attach({}, abort.signal), await attach()]
    abort.abort()
    expect(await sessions[0]?.ended).toEqual(ended('closed'))
    await sim.close()
    expect(await sessions[1]?.ended).toEqual(ended('closed'))
  })

  it('is refused where there is nothing to attach to, saying which', async () => {
    const { attach, sim } = await stage()
    await expect(attach({ tty: true })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'tty' })
    await expect(attach({ detachKeys: 'x y' })).rejects.toMatchObject({ field: 'detachKeys' })
    sim.killMonitor('c')
    await expect(attach()).rejects.toMatchObject({ code: 'ERR_MONITOR_LOST' })
    sim.exitNow('c', 0)
    await expect(attach()).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
  })

  it('is refused when there are too many', async () => {
    const { attach } = await stage()
    for (let count = 0; count < 1024; count += 1) await attach()
    await expect(attach()).rejects.toMatchObject({ code: 'ERR_BUSY' })
  })
})
