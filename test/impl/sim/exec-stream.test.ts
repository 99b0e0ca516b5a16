import { once } from 'node:events'
import { BehaviorSubject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { ExecRequest } from '../../../src/impl/exec-port.ts'
import type { TerminalSize } from '../../../src/impl/terminal-size.ts'
import { containerOf, readInto, SIGKILL, SIGTERM, simulation } from './fixture.ts'

const [SIGHUP, SIGUSR1, SIGCHLD] = [1, 10, 17]

async function stage() {
  const world = simulation()
  const container = containerOf('c', ['server'], { stopSignal: 'USR2' })
  await world.run(container)
  const start = (argv: string[], request: Partial<ExecRequest> = {}, signal = world.signal) =>
    world.sim.execs.startExec(container, { argv, ...request }, { signal })
  return { ...world, container, start }
}

describe('a command that was started', () => {
  it('has streams, and ends when its input does', async () => {
    const { start, sim, clock } = await stage()
    const session = await start(['cat'], { stdin: true })
    expect(sim.execs.sessions('c')).toEqual([session])
    expect(sim.execs.sessions('other')).toEqual([])
    expect(sim.processState({ pid: session.pid, startTicks: String(session.pid) })).toBe('alive')
    expect(session).toMatchObject({ containerId: 'c', argv: ['cat'] })
    const [stdout, stderr] = [readInto(session.stdout), readInto(session.stderr)]
    session.stdin?.write('hello')
    await clock.settle()
    expect(stdout.text).toBe('hello')
    session.stdin?.end(' world')
    await clock.advance(0)
    expect([stdout, stderr]).toMatchObject([
      { text: 'hello world', isOver: true },
      { text: '', isOver: true },
    ])
    expect(await session.exited).toEqual({ kind: 'code', code: 0 })
    expect(session.stdin?.destroyed).toBe(true)
    expect(sim.execs.sessions('c')).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('has the end of its input at once unless it is given one', async () => {
    const { start, clock } = await stage()
    const session = await start(['cat'])
    expect(session.stdin).toBeUndefined()
    await clock.advance(0)
    expect(await session.exited).toEqual({ kind: 'code', code: 0 })
  })

  it('never has an id or a pid twice', async () => {
    const { start } = await stage()
    const sessions = [await start(['true']), await start(['true'])]
    expect(new Set(sessions.map(({ id }) => id)).size).toBe(2)
    expect(new Set(sessions.map(({ pid }) => pid)).size).toBe(2)
  })

  it('is slowed down by who reads slowly, and waits with its end until all is read', async () => {
    const { start, sim, clock } = await stage()
    let written = 0
    sim.command('c', 'flood', async (_, { stdout }) => {
      for (; written < 100; written += 1) {
        if (!stdout.write(Buffer.alloc(65_536))) await once(stdout, 'drain')
      }
      return 4
    })
    const session = await start(['flood'])
    await clock.advance(60_000)
    expect(written).toBeLessThan(5)
    expect(sim.execs.sessions('c')).toHaveLength(1)
    let receivedBytes = 0
    session.stdout?.on('data', ({ length }: Buffer) => (receivedBytes += length))
    await clock.advance(1)
    expect(receivedBytes).toBe(100 * 65_536)
    expect(await session.exited).toEqual({ kind: 'code', code: 4 })
  })

  it('dies of writing to somebody who has left, unless it ignores that', async () => {
    const { start, sim, clock } = await stage()
    const output = [{ afterMs: 100, stdout: 'anybody?' }]
    sim.command('c', 'talk', { runsForMs: 1000, output })
    sim.command('c', 'mutter', { runsForMs: 1000, output, onSignal: { PIPE: 'ignore' } })
    const sessions = [await start(['talk']), await start(['mutter'])]
    for (const { stdout } of sessions) stdout?.destroy()
    await clock.advance(100)
    expect(await sessions[0]?.exited).toEqual({ kind: 'code', code: 141 })
    expect(sim.execs.sessions('c')).toHaveLength(1)
    await clock.advance(900)
    expect(await sessions[1]?.exited).toEqual({ kind: 'code', code: 0 })
  })

  it('goes on without whom its output is of no interest to', async () => {
    const { start, clock } = await stage()
    const session = await start(['sh', '-c', 'echo a; echo b >&2; sleep 1; echo c; exit 6'], {
      stdout: false,
      stderr: false,
    })
    expect([session.stdout, session.stderr]).toEqual([undefined, undefined])
    await clock.advance(1000)
    expect(await session.exited).toEqual({ kind: 'code', code: 6 })
  })

  it('ends before what it leaves behind lets go of its output', async () => {
    const { start, sim, clock } = await stage()
    sim.command('c', 'daemon', { leavesProcesses: true, output: 'up\n' })
    const session = await start(['daemon'], { drainMs: 500 })
    const stdout = readInto(session.stdout)
    await clock.advance(0)
    expect(await session.exited).toEqual({ kind: 'code', code: 0 })
    await clock.advance(499)
    expect(stdout.isOver).toBe(false)
    await clock.advance(1)
    expect(stdout.isOver).toBe(true)
  })

  it('is refused where there is nothing to run it in, or nothing to run', async () => {
    const { start, sim, clock } = await stage()
    await expect(start(['nope'])).rejects.toMatchObject({
      code: 'ERR_COMMAND_NOT_FOUND',
      name: 'OciError',
    })
    await expect(start(['true'], { tty: true, size: { width: -1, height: 0 } })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      field: 'size.width',
    })
    sim.exitNow('c', 0)
    await clock.settle()
    await expect(start(['true'])).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
    expect(sim.execs.sessions('c')).toEqual([])
  })
})

describe('signals to a command', () => {
  it.each([
    [SIGTERM, 143],
    [SIGHUP, 129],
    [SIGUSR1, 138],
    [SIGKILL, 137],
    [SIGCHLD, 0],
  ])('%i makes it exit with %i, as one without handlers', async (signal, code) => {
    const { start, clock } = await stage()
    const session = await start(['sleep', '5'], { stdin: true })
    expect(await session.kill(signal)).toBe(true)
    await clock.advance(5000)
    expect(await session.exited).toEqual({ kind: 'code', code })
    expect(session.stdin?.destroyed).toBe(true)
    expect(await session.kill(SIGKILL)).toBe(false)
  })

  it('may be ignored, or answered in its own time', async () => {
    const { start, sim, clock } = await stage()
    sim.command('c', 'deaf', { runsForMs: Infinity, onTerm: 'ignore' })
    sim.command('c', 'polite', { runsForMs: Infinity, onTerm: { exitCode: 3, afterMs: 400 } })
    const [deaf, polite] = [await start(['deaf']), await start(['polite'])]
    for (const session of [deaf, polite]) await session.kill(SIGTERM)
    await clock.advance(400)
    expect(await polite.exited).toEqual({ kind: 'code', code: 3 })
    expect(sim.execs.sessions('c')).toEqual([deaf])
    expect(await deaf.kill(SIGKILL)).toBe(true)
    expect(await deaf.exited).toEqual({ kind: 'code', code: 137 })
  })

  it('wait for the thaw', async () => {
    const { start, sim } = await stage()
    const session = await start(['sleep', '5'])
    sim.freezeFromOutside('c')
    await session.kill(SIGTERM)
    expect(sim.execs.sessions('c')).toEqual([session])
    sim.thawFromOutside('c')
    expect(await session.exited).toEqual({ kind: 'code', code: 143 })
  })

  it('are given up on when KILL has no effect', async () => {
    const { start, sim, clock } = await stage()
    sim.command('c', 'stuck', { runsForMs: Infinity, onKill: 'ignore' })
    const session = await start(['stuck'])
    await clock.runUntil(session.kill(SIGKILL))
    expect(clock.now()).toBe(2000)
    expect(await session.exited).toEqual({ kind: 'unknown', why: 'monitor-lost' })
    const identity = { pid: session.pid, startTicks: String(session.pid) }
    expect(sim.processState(identity)).toBe('alive')
    sim.deleteFromOutside('c')
    expect(sim.processState(identity)).toBe('gone')
  })

  it('may be made to fail', async () => {
    const { start, sim } = await stage()
    const session = await start(['sleep', '5'])
    sim.inject('c', { effect: 'killExec', fault: 'fail' })
    await expect(session.kill(SIGKILL)).rejects.toMatchObject({ code: 'ERR_IO' })
    expect(sim.execs.sessions('c')).toEqual([session])
  })
})

describe('the terminal of a command', () => {
  it('has the size that was given last before it looks, and the later ones', async () => {
    const { start, sim, clock } = await stage()
    sim.command('c', 'resize', async (_, io) => {
      for (let round = 0; round < 4; round += 1) {
        io.stderr.write(`${io.terminalSize?.width}x${io.terminalSize?.height} `)
        await io.sleep(10)
      }
    })
    const resize$ = new BehaviorSubject<TerminalSize>({ width: 100, height: 40 })
    const session = await start(['resize'], { tty: true, size: { width: 1, height: 1 }, resize$ })
    const stdout = readInto(session.stdout)
    expect(session.stderr).toBeUndefined()
    await clock.advance(5)
    resize$.next({ width: 90, height: 30 })
    await clock.advance(10)
    resize$.next({ width: 0.5, height: 30 })
    await session.resize({ width: 80, height: 20 })
    await clock.advance(100)
    expect(stdout.text).toBe('100x40 90x30 80x20 80x20 ')
    expect(await session.exited).toMatchObject({ code: 0 })
    expect(resize$.observed).toBe(false)
  })

  it('is not there unless it was asked for', async () => {
    const { start } = await stage()
    const session = await start(['sleep', '1'])
    await expect(session.resize({ width: 1, height: 1 })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      field: 'tty',
    })
    const other = await start(['sleep', '1'], { tty: true })
    await expect(other.resize({ width: 1, height: -1 })).rejects.toMatchObject({ field: 'height' })
  })
})

describe('a command whose starter has left', () => {
  it.each([
    ['kill', 137],
    ['leave', 0],
  ] as const)('is ended or not as was asked for: %s', async (onDisconnect, code) => {
    const { start, clock, sim } = await stage()
    const abort = new AbortController()
    let seen = ''
    sim.command('c', 'job', async (_, io) => {
      for await (const chunk of io.stdin as AsyncIterable<Buffer>) seen += String(chunk)
      await io.sleep(1000)
      io.stdout.write('done')
    })
    const session = await start(['job'], { onDisconnect, stdin: true }, abort.signal)
    session.stdin?.write('work')
    await clock.settle()
    const stdout = readInto(session.stdout)
    abort.abort()
    await clock.advance(2000)
    expect(stdout).toEqual({ text: '', isOver: true })
    expect(await session.exited).toEqual({ kind: 'code', code })
    expect(seen).toBe('work')
  })

  it('outlives the supervisor if it was to be left, and not its container', async () => {
    const { start, sim } = await stage()
    const [killed, left] = [
      await start(['sleep', '9']),
      await start(['sleep', '9'], { onDisconnect: 'leave' }),
    ]
    const next = sim.reopen()
    expect(await killed.exited).toEqual({ kind: 'code', code: 137 })
    const identity = { pid: left.pid, startTicks: String(left.pid) }
    expect(next.processState(identity)).toBe('alive')
    expect(next.execs.sessions('c')).toEqual([])
    next.exitNow('c', 0)
    expect(next.processState(identity)).toBe('gone')
    expect(await left.exited).toEqual({ kind: 'code', code: 137 })
  })

  it('outlives the supervisor only until the next one tidies up', async () => {
    const { start, sim, container, signal } = await stage()
    const left = await start(['sleep', '9'], { onDisconnect: 'leave' })
    const next = sim.reopen()
    const own = await next.execs.startExec(container, { argv: ['sleep', '9'] }, { signal })
    await next.tidy()
    expect(await left.exited).toEqual({ kind: 'code', code: 137 })
    expect(next.execs.sessions('c')).toEqual([own])
  })

  it('before it ran is ended as soon as it does', async () => {
    const { start, sim, clock } = await stage()
    sim.inject('c', { effect: 'startExec', fault: 'late', delayMs: 1000 })
    const abort = new AbortController()
    const session = start(['sleep', '9'], {}, abort.signal)
    await clock.advance(500)
    abort.abort()
    await expect(session).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await clock.advance(500)
    expect(clock.pending).toBe(0)
  })

  it('is there although its start was reported as a failure', async () => {
    const { start, sim, clock } = await stage()
    sim.inject('c', { effect: 'startExec', fault: 'failAfterEffect' })
    await expect(start(['sleep', '3'])).rejects.toMatchObject({ code: 'ERR_RUNTIME_FAILED' })
    expect(sim.execs.sessions('c')).toHaveLength(1)
    await clock.advance(3000)
    expect(sim.execs.sessions('c')).toHaveLength(0)
  })
})
