import { describe, expect, it } from 'vitest'
import type { Container } from '../../../src/container.ts'
import { OciError } from '../../../src/errors/index.ts'
import { ExecSyncError, type ExecSyncRequest, type ExecSyncResult } from '../../../src/impl/exec-port.ts'
import type { SimulatedCommand } from '../../../src/testing.ts'
import { containerOf, simulation } from './fixture.ts'

/** A running container, and commands in it whose results are there when the clock has been moved. */
async function stage(args: string[] = ['server']) {
  const world = simulation()
  const container = containerOf('c', args)
  const { init } = await world.run(container)
  const begin = (argv: string[], request: Partial<ExecSyncRequest> = {}, signal = world.signal) =>
    world.sim.execs.execSync(container, { argv, ...request }, { signal })
  const exec = (argv: string[], request?: Partial<ExecSyncRequest>) =>
    world.clock.runUntil(begin(argv, request))
  return { ...world, container, init, begin, exec }
}

const text = ({ exitCode, stdout, stderr }: ExecSyncResult) => [exitCode, String(stdout), String(stderr)]

describe('a command that nobody has described', () => {
  it.each<[argv: string[], exitCode: number, stdout: string, stderr: string]>([
    [['true'], 0, '', ''],
    [['/bin/false'], 1, '', ''],
    [['echo', 'a', '', 'b'], 0, 'a  b\n', ''],
    [['echo', '-n', 'a'], 0, 'a', ''],
    [['busybox', 'echo', 'a'], 0, 'a\n', ''],
    [['cat'], 0, '', ''],
    [['cat', '/etc/passwd'], 1, '', "cat: can't open '/etc/passwd': No such file or directory\n"],
    [['sh', '-c', 'echo out; echo err >&2; exit 3'], 3, 'out\n', 'err\n'],
    [['sh', '-c', 'false'], 1, '', ''],
    [['sh', '-c', `echo "it's" 'a "$OWN"' "$OWN"/\${MORE}x$NONE`], 0, `it's a "$OWN" own/morex\n`, ''],
    [['sh', '-c', "echo secret > /dev/null; echo 'a > b'"], 0, 'a > b\n', ''],
    [['sh', '-c', 'pg_isready -q; echo $((1+1))'], 0, ')\n', 'sh: pg_isready: not found\n'],
    [['sh', '-c', 'pg_isready -q'], 127, '', 'sh: pg_isready: not found\n'],
  ])('does what it would: %j', async (argv, exitCode, stdout, stderr) => {
    const { exec, sim, clock } = await stage()
    const result = await exec(argv, { env: { OWN: 'own', MORE: 'more' } })
    expect(text(result)).toEqual([exitCode, stdout, stderr])
    expect(result).toMatchObject({ timedOut: false, truncated: false, drained: true })
    expect(sim.execs.sessions('c')).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it.each([['nope'], ['/usr/bin/curl']])('is not found: %s', async (name) => {
    const { begin } = await stage()
    const error: unknown = await begin([name]).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ExecSyncError)
    expect(error).toMatchObject({
      code: 'ERR_COMMAND_NOT_FOUND',
      containerId: 'c',
      operation: 'execSyncContainer',
      exitCode: -1,
    })
  })

  it('takes its time', async () => {
    const { exec, clock } = await stage()
    expect(await exec(['sh', '-c', 'echo a; sleep 2; echo b; sleep 0.5'])).toMatchObject({
      exitCode: 0,
      stdout: Buffer.from('a\nb\n'),
    })
    expect(clock.now()).toBe(2500)
  })

  it.each([[['sleep', 'infinity']], [['sh', '-c', 'while :; do sleep 1; done']]])(
    'may never end by itself: %j',
    async (argv) => {
      const { exec } = await stage()
      expect(await exec(argv, { timeoutMs: 1000 })).toMatchObject({ timedOut: true })
    },
  )
})

describe('a scripted command', () => {
  it('is chosen by name, by path or by its arguments, and the latest that fits wins', async () => {
    const { exec, sim } = await stage()
    sim.command(() => true, 'probe', { exitCode: 1 })
    sim.command('c', '/opt/probe', { exitCode: 2 })
    sim.command('c', (argv) => argv.includes('--deep'), { exitCode: 3 })
    sim.command('other', 'probe', { exitCode: 9 })
    const codes = []
    for (const argv of [['probe'], ['/bin/probe'], ['/opt/probe'], ['probe', '--deep']])
      codes.push((await exec(argv)).exitCode)
    expect(codes).toEqual([1, 1, 2, 3])
    sim.command('c', 'true', { exitCode: 7 })
    expect(await exec(['true'])).toMatchObject({ exitCode: 7 })
  })

  it('may be a description', async () => {
    const { exec, sim, clock } = await stage()
    const output = [{ stderr: 'slow\n' }, { afterMs: 700, stdout: Buffer.from([0, 255]) }]
    sim.command('c', 'probe', { runsForMs: 1500, exitCode: 4, output })
    expect(await exec(['probe'])).toMatchObject({
      exitCode: 4,
      stdout: Buffer.from([0, 255]),
      stderr: Buffer.from('slow\n'),
    })
    expect(clock.now()).toBe(1500)
  })

  it('may be a function, which is told what the command would be', async () => {
    const { exec, sim, clock } = await stage()
    sim.command('c', 'probe', async ([, level], { env, cwd, user, stdout, sleep, terminalSize }) => {
      await sleep(250)
      stdout.write(JSON.stringify({ level, a: env['A'], cwd, user, terminalSize }))
      return 5
    })
    const result = await exec(['probe', 'deep'], { env: { A: '1' }, cwd: '/srv', user: 'alice' })
    expect(JSON.parse(String(result.stdout))).toEqual({ level: 'deep', a: '1', cwd: '/srv', user: 'alice' })
    expect(result.exitCode).toBe(5)
    expect(clock.now()).toBe(250)
  })

  it.each<[SimulatedCommand, string]>([
    [
      () => {
        throw new Error('a bug in the script')
      },
      'a bug in the script',
    ],
    [() => Promise.reject(new Error('another')), 'another'],
    [() => 256, 'exitCode 256 must be a whole number'],
  ])('that fails itself says why: case %#', async (command, words) => {
    const { exec, sim } = await stage()
    sim.command('c', 'probe', command)
    const { exitCode, stderr } = await exec(['probe'])
    expect(exitCode).toBe(1)
    expect(String(stderr)).toContain(words)
  })

  it.each<[SimulatedCommand, string]>([
    [{ runsForMs: -1 }, 'runsForMs'],
    [{ exitCode: 1000 }, 'exitCode'],
    [{ output: [{}, { afterMs: Number.NaN }] }, 'output.1.afterMs'],
    [{ usage: { memoryBytes: -1 } }, 'usage.memoryBytes'],
    [{ onTerm: { exitCode: -1 } }, 'onTerm.exitCode'],
  ])('is refused when it makes no sense: %j', (command, field) => {
    const { sim } = simulation()
    expect(() => sim.command('c', 'probe', command)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field }),
    )
    expect(() => sim.command('c', '', {})).toThrow(expect.objectContaining({ field: 'which' }))
  })
})

describe('a command that is waited for', () => {
  it('is ended when its time is up, and the result has what it has said so far', async () => {
    const { exec, clock, sim } = await stage()
    sim.command('c', 'probe', { runsForMs: Infinity, onTerm: 'ignore', output: 'begun\n' })
    expect(await exec(['probe'], { timeoutMs: 5000 })).toEqual({
      exitCode: -1,
      stdout: Buffer.from('begun\n'),
      stderr: Buffer.from('command timed out'),
      timedOut: true,
      truncated: false,
      drained: true,
    })
    expect(clock.now()).toBe(5000)
    expect(clock.pending).toBe(0)
  })

  it('keeps no more of its output than it may, and reads the rest', async () => {
    const { exec, sim } = await stage()
    sim.command('c', 'probe', async (_, { stdout, stderr }) => {
      for (let round = 0; round < 100; round += 1) {
        if (!stdout.write('x'.repeat(65_536))) await new Promise((resolve) => stdout.once('drain', resolve))
      }
      stderr.write('12345')
    })
    const { stdout, stderr, truncated } = await exec(['probe'], { outputMaxBytes: 5 })
    expect([String(stdout), String(stderr), truncated]).toEqual(['xxxxx', '12345', true])
    expect(await exec(['probe'], { outputMaxBytes: 65_536 * 100 })).toMatchObject({ truncated: false })
    sim.command('c', 'complain', { output: [{ stderr: '12345' }] })
    expect(await exec(['complain'], { outputMaxBytes: 4 })).toMatchObject({
      stderr: Buffer.from('1234'),
      truncated: true,
    })
  })

  it('is not drained when it leaves something behind that has its output open', async () => {
    const { exec, sim, clock } = await stage()
    sim.command('c', 'probe', { output: 'said', leavesProcesses: true })
    const result = await exec(['probe'], { drainMs: 300 })
    expect([String(result.stdout), result.exitCode, result.drained]).toEqual(['said', 0, false])
    expect(clock.now()).toBe(300)
    await exec(['probe'])
    expect(clock.now()).toBe(2300)
  })

  it('is ended when the caller gives up', async () => {
    const { begin, clock } = await stage()
    const abort = new AbortController()
    const result = begin(['sleep', '10'], {}, abort.signal)
    await clock.advance(1000)
    expect(clock.pending).toBe(1)
    abort.abort()
    await expect(result).rejects.toMatchObject({ code: 'ERR_ABORTED', operation: 'execSyncContainer' })
    expect(clock.pending).toBe(0)
    await expect(begin(['true'], {}, abort.signal)).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })

  it.each([
    [{ argv: [] }, 'command'],
    [{ argv: ['a', 'b\0'] }, 'command.1'],
    [{ argv: ['true'], cwd: 'here' }, 'cwd'],
    [{ argv: ['true'], timeoutMs: 0 }, 'timeoutMs'],
    [{ argv: ['true'], drainMs: -1 }, 'drainMs'],
  ])('is refused by the field that is wrong: %j', async (request, field) => {
    const { sim, container, signal } = await stage()
    await expect(sim.execs.execSync(container, request, { signal })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      field,
    })
  })

  it('cannot run where nothing runs', async () => {
    const { sim, create, clock, signal, container, begin } = await stage()
    const created = containerOf('created')
    await create(created)
    for (const other of [created, containerOf('absent')]) {
      const result = sim.execs.execSync(other, { argv: ['true'] }, { signal })
      await expect(result).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING', containerId: other.id })
    }
    sim.exitNow(container.id, 0)
    await clock.settle()
    await expect(begin(['true'])).rejects.toBeInstanceOf(ExecSyncError)
  })

  it('that does not begin within the limit for that is ended, and one that has begun is not', async () => {
    const { sim, clock, container, signal } = await stage()
    const options = { signal, startTimeoutMs: 5000 }
    const sleep = sim.execs.execSync(container, { argv: ['sleep', '60'] }, options)
    sim.inject('c', { effect: 'execSync', fault: 'hang' })
    const refused = sim.execs
      .execSync(container, { argv: ['true'] }, options)
      .catch((error: unknown) => error)
    await clock.advance(5000)
    expect(await refused).toMatchObject({
      code: 'ERR_TIMEOUT',
      operation: 'execSyncContainer',
      containerId: 'c',
    })
    expect(await clock.runUntil(sleep)).toMatchObject({ exitCode: 0 })
  })

  it('is refused when there are too many in its container, while others have room', async () => {
    const { begin, exec, sim, clock, run, signal } = await stage()
    const running = Array.from({ length: 128 }, () => begin(['sleep', 'infinity']))
    await expect(begin(['true'])).rejects.toThrow('128 commands run in container c already')
    const other = containerOf('other')
    await run(other)
    expect(await clock.runUntil(sim.execs.execSync(other, { argv: ['true'] }, { signal }))).toMatchObject({
      exitCode: 0,
    })
    expect(await sim.execs.endAll('c', 2000)).toBe(true)
    expect((await Promise.all(running)).every(({ exitCode }) => exitCode === 137)).toBe(true)
    expect(await exec(['true'])).toMatchObject({ exitCode: 0 })
  })

  it('is refused when there are too many in all containers', async () => {
    const { sim, run, signal } = await stage()
    const containers = Array.from({ length: 9 }, (_, index) => containerOf(`many-${index}`))
    for (const container of containers) await run(container)
    const sleepIn = (container: Container) =>
      sim.execs.execSync(container, { argv: ['sleep', 'infinity'] }, { signal })
    const running = containers.slice(0, 8).flatMap((one) => Array.from({ length: 128 }, () => sleepIn(one)))
    const refused = containers.slice(8).map(sleepIn)
    await expect(Promise.all(refused)).rejects.toThrow('1024 commands run in containers already')
    await Promise.all(containers.map(({ id }) => sim.execs.endAll(id, 2000)))
    expect(await Promise.all(running)).toHaveLength(1024)
  })
})

describe('a command in a frozen container', () => {
  it('stands still: its time, its output and its signals', async () => {
    const { begin, sim, clock, container, signal } = await stage()
    sim.command('c', 'probe', async (_, { sleep, stdout }) => {
      await sleep(1000)
      stdout.write('awake')
    })
    const results = [begin(['sleep', '2']), begin(['probe'])]
    await clock.advance(900)
    await sim.pause(container, { signal })
    await clock.advance(60_000)
    expect(clock.pending).toBe(0)
    await sim.resume(container, { signal })
    await clock.advance(1100)
    expect(await Promise.all(results)).toMatchObject([{ exitCode: 0 }, { stdout: Buffer.from('awake') }])
    expect(clock.now()).toBe(62_000)
  })

  it('does nothing twice when it is thawed', async () => {
    const { begin, sim, clock } = await stage()
    sim.command('c', 'probe', { output: [{ afterMs: 10, stdout: 'once' }], runsForMs: 30 })
    const result = begin(['probe'])
    await clock.advance(20)
    sim.freezeFromOutside('c')
    sim.thawFromOutside('c')
    await clock.advance(10)
    expect(String((await result).stdout)).toBe('once')
  })

  it('ends with it', async () => {
    const { begin, sim, clock } = await stage()
    const result = begin(['sleep', '10'])
    await clock.settle()
    sim.freezeFromOutside('c')
    sim.exitNow('c', 0)
    expect(await result).toMatchObject({ exitCode: 137 })
  })

  it('does not begin before the thaw, and has the time limit that it was given', async () => {
    const { begin, exec, sim, clock } = await stage()
    sim.freezeFromOutside('c')
    let begun = false
    sim.command('c', 'probe', () => void (begun = true))
    const result = begin(['probe'])
    await clock.advance(1000)
    expect(begun).toBe(false)
    // KILL reaches it only when it is thawed: after two seconds it is given up on.
    expect(await exec(['true'], { timeoutMs: 3000 })).toMatchObject({ timedOut: true, drained: false })
    expect(clock.now()).toBe(6000)
    sim.thawFromOutside('c')
    await clock.advance(0)
    expect(await result).toMatchObject({ exitCode: 0 })
    expect(begun).toBe(true)
  })
})

describe('the end of a container', () => {
  it('is the end of the commands in it, of which those who wait have been told when all have ended', async () => {
    const { begin, sim, clock } = await stage()
    const told: unknown[] = []
    const results = [
      ['sleep', '10'],
      ['cat', '/x'],
      ['sleep', 'infinity'],
    ].map((argv) => begin(argv).then(({ exitCode }) => told.push(exitCode)))
    await clock.settle()
    sim.exitNow('c', 3)
    expect(await sim.execs.endAll('c', 2000)).toBe(true)
    expect(told).toEqual([137, 137, 137])
    await Promise.all(results)
    expect(clock.pending).toBe(0)
  })

  it('waits for them no longer than it has to, and gives up on what KILL does not end', async () => {
    const { begin, sim, clock } = await stage()
    sim.command('c', 'stuck', { runsForMs: Infinity, onKill: 'ignore' })
    const result = begin(['stuck']).catch((error: unknown) => error)
    const ended = begin(['sleep', '10'])
    await clock.settle()
    sim.exitNow('c', 0)
    const all = sim.execs.endAll('c', 2000)
    await clock.advance(1999)
    let answer: boolean | undefined
    void all.then((isTrue) => (answer = isTrue))
    await clock.settle()
    expect(answer).toBeUndefined()
    await clock.advance(1)
    expect(await all).toBe(false)
    expect(await ended).toMatchObject({ exitCode: 137 })
    expect(await result).toMatchObject({ code: 'ERR_MONITOR_LOST', name: 'ExecSyncError' })
    expect(await sim.execs.endAll('c', 2000)).toBe(true)
    expect(clock.pending).toBe(0)
  })

  it('ends also a command that its runtime hangs over', async () => {
    const { begin, sim } = await stage()
    sim.inject('c', { effect: 'execSync', fault: 'hang' })
    const result = begin(['true'])
    expect(await sim.execs.endAll('c', 2000)).toBe(true)
    await expect(result).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
  })

  it('also when the supervisor goes', async () => {
    const { begin, sim, clock } = await stage()
    const result = begin(['sleep', '10'])
    await clock.settle()
    await sim.close()
    await expect(result).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await expect(begin(['true'])).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(clock.pending).toBe(0)
  })
})

describe('faults of commands', () => {
  it('of a runtime that hangs come to the time limit', async () => {
    const { exec, sim, clock } = await stage()
    sim.inject('c', { effect: 'execSync', fault: 'hang' })
    expect(await exec(['true'], { timeoutMs: 700 })).toMatchObject({ exitCode: -1, timedOut: true })
    expect(clock.now()).toBe(700)
  })

  it('are errors of the same kind as the real ones', async () => {
    const { exec, sim } = await stage()
    sim.inject('c', { effect: 'execSync', fault: 'fail', delayMs: 50 })
    await expect(exec(['true'])).rejects.toBeInstanceOf(ExecSyncError)
    const error = new OciError('ERR_COMMAND_NOT_EXECUTABLE', 'permission denied')
    sim.inject('c', { effect: 'execSync', fault: 'fail', error })
    await expect(exec(['true'])).rejects.toBe(error)
  })

  it('may let the command run, late or with nobody told', async () => {
    const { exec, sim, clock } = await stage()
    const ran: number[] = []
    sim.command('c', 'probe', () => void ran.push(clock.now()))
    sim.inject('c', { effect: 'execSync', fault: 'failAfterEffect' })
    await expect(exec(['probe'])).rejects.toMatchObject({ code: 'ERR_RUNTIME_FAILED' })
    sim.inject('c', { effect: 'execSync', fault: 'late', delayMs: 5000 })
    expect(await exec(['probe'])).toMatchObject({ exitCode: 0 })
    expect(ran).toEqual([0, 5000])
  })

  it('never hit a later container of the same id', async () => {
    const { begin, sim, clock, run, signal, container } = await stage()
    sim.inject('c', { effect: 'execSync', fault: 'late', delayMs: 1000 })
    const result = begin(['true']).catch((error: OciError) => error.code)
    sim.deleteFromOutside('c')
    await sim.delete(container, { signal })
    await run(container)
    await clock.advance(1000)
    expect(await result).toBe('ERR_NOT_RUNNING')
  })
})
