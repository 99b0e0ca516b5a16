import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openLauncher } from '../../../src/impl/launcher/launcher.ts'
import { protocolVersion } from '../../../src/impl/launcher/protocol.ts'
import {
  awaitStart,
  containing,
  crowdSize,
  deferred,
  env,
  expectCreated,
  fakeMonitor,
  forkDaemon,
  isAlive,
  killAtEnd,
  readPid,
  rejection,
  scratchDir,
  startEmbedder,
  testLauncher,
  waitFor,
} from './support.ts'

const noMove = async () => undefined
const sleeping = { argv: ['sleep', '600'], env, timeoutMs: 600_000 } as const
const quick = { argv: ['true'], env, timeoutMs: 20_000 } as const
const long = 60_000

/** A program that the launcher is replaced by. */
function program(script: string): string {
  const file = join(scratchDir(), 'launcher.mjs')
  writeFileSync(file, script)
  return file
}

describe('the death of the launcher', () => {
  it('rejects what was in flight, and the next request has a new launcher', async () => {
    const launcher = await testLauncher()
    const first = launcher.pid ?? 0
    const dir = scratchDir()
    const running = launcher.run({
      ...sleeping,
      argv: ['sh', '-c', 'echo $$ >pid; exec sleep 600'],
      cwd: dir,
    })
    const failing = rejection(running)
    await waitFor('the command runs', () => existsSync(join(dir, 'pid')) && readPid(dir, 'pid') > 0)
    killAtEnd(readPid(dir, 'pid'))
    process.kill(first, 'SIGKILL')
    expect(await failing).toMatchObject({
      code: 'ERR_LAUNCHER_LOST',
      message: containing('SIGKILL'),
    })
    expect((await launcher.run(quick)).exitCode).toBe(0)
    expect(launcher.pid).not.toBe(first)
  })

  it('leaves waiting requests to the next launcher', async () => {
    const launcher = await testLauncher({ inFlightMax: 1 })
    const dir = scratchDir()
    const running = launcher.run({
      ...sleeping,
      argv: ['sh', '-c', 'echo $$ >pid; exec sleep 600'],
      cwd: dir,
    })
    const failing = rejection(running)
    const waiting = launcher.run(quick)
    await waitFor('the command runs', () => existsSync(join(dir, 'pid')) && readPid(dir, 'pid') > 0)
    killAtEnd(readPid(dir, 'pid'))
    process.kill(launcher.pid ?? 0, 'SIGKILL')
    expect(await failing).toMatchObject({ code: 'ERR_LAUNCHER_LOST' })
    expect((await waiting).exitCode).toBe(0)
  })

  it('rejects a monitor that was waiting for its start byte', async () => {
    const launcher = await testLauncher()
    const outcome = launcher.spawnMonitor(fakeMonitor(scratchDir(), awaitStart), async () => {
      process.kill(launcher.pid ?? 0, 'SIGKILL')
    })
    await expect(outcome).rejects.toMatchObject({ code: 'ERR_LAUNCHER_LOST' })
  })

  it('rejects with the reason when no launcher can be started at first', async () => {
    const opening = openLauncher({ launcherPath: program('throw new Error("broken " + "install")') })
    await expect(opening).rejects.toMatchObject({
      code: 'ERR_LAUNCHER_LOST',
      message: containing('broken install'),
    })
    const without = openLauncher({ nodePath: '/no/such/node' })
    await expect(without).rejects.toMatchObject({
      code: 'ERR_LAUNCHER_LOST',
      message: containing('ENOENT'),
    })
  })

  it('rejects a launcher of another release', async () => {
    const file = program(
      'process.send({ type: "hello", protocol: 99, notes: [] }); setInterval(() => {}, 1000)',
    )
    await expect(openLauncher({ launcherPath: file })).rejects.toMatchObject({
      message: containing('launcherPath must point into the same release'),
    })
  })

  it('gives up, with the reason, when a launcher fails to start again and again', async () => {
    // Stands once, then never again.
    const file = program(`
      import { existsSync, appendFileSync } from 'node:fs'
      const seen = existsSync(new URL('seen', import.meta.url))
      appendFileSync(new URL('seen', import.meta.url), 'x')
      if (seen) throw new Error('worn out')
      process.send({ type: 'hello', protocol: ${protocolVersion}, notes: [] })
      process.on('message', () => process.exit(9))`)
    const launcher = await testLauncher({ launcherPath: file })
    await expect(launcher.run(quick)).rejects.toMatchObject({
      code: 'ERR_LAUNCHER_LOST',
      message: containing('exit code 9'),
    })
    const lost = { code: 'ERR_LAUNCHER_LOST', message: containing('worn out') }
    await Promise.all([
      expect(launcher.run(quick)).rejects.toMatchObject(lost),
      expect(launcher.run(quick)).rejects.toMatchObject(lost),
    ])
    const starts = readFileSync(join(file, '..', 'seen'), 'utf8').length
    expect(starts).toBe(6)
    await expect(launcher.run(quick)).rejects.toMatchObject(lost)
    expect(readFileSync(join(file, '..', 'seen'), 'utf8')).toHaveLength(starts)
  })

  it('comes to a launcher that talks nonsense', async () => {
    const file = program(`
      process.send({ type: 'hello', protocol: ${protocolVersion}, notes: [] })
      process.on('message', ({ id }) => process.send({ type: 'ran', id, result: { stdout: 7 } }))`)
    const launcher = await testLauncher({ launcherPath: file })
    await expect(launcher.run(quick)).rejects.toMatchObject({ code: 'ERR_LAUNCHER_LOST' })
  })

  it('comes to a launcher that does not even confirm an abort', { timeout: long }, async () => {
    const file = program(`
      process.send({ type: 'hello', protocol: ${protocolVersion}, notes: [] })
      process.on('message', () => {})`)
    const launcher = await testLauncher({ launcherPath: file })
    const stuck = launcher.pid ?? 0
    await expect(launcher.run(quick, AbortSignal.timeout(50))).rejects.toMatchObject({
      code: 'ERR_LAUNCHER_LOST',
    })
    await waitFor('the launcher is dead', () => !isAlive(stuck))
  })
})

describe('a launcher that is stopped', () => {
  const pingIntervalMs = 50

  it('is replaced, and what it had to do is rejected', async () => {
    const launcher = await testLauncher({ pingIntervalMs })
    const stuck = killAtEnd(launcher.pid ?? 0)
    process.kill(stuck, 'SIGSTOP')
    expect(await rejection(launcher.run(quick))).toMatchObject({ code: 'ERR_LAUNCHER_LOST' })
    expect(isAlive(stuck)).toBe(false)
    expect((await launcher.run(quick)).exitCode).toBe(0)
    expect(launcher.pid).not.toBe(stuck)
  })

  it('is replaced when a long-lived child is to be started, or runs', async () => {
    const launcher = await testLauncher({ pingIntervalMs })
    const child = await launcher.attend({ argv: ['sleep', '600'], env, stdio: {} })
    if ('errno' in child) throw new Error(child.errno)
    killAtEnd(child.pid)
    process.kill(killAtEnd(launcher.pid ?? 0), 'SIGSTOP')
    const starting = rejection(launcher.attend({ argv: ['sleep', '600'], env, stdio: {} }))
    expect(await starting).toMatchObject({ code: 'ERR_LAUNCHER_LOST' })
    expect(await child.ended).toMatchObject({ lost: containing('SIGKILL') })
    expect(isAlive(child.pid)).toBe(true)
  })

  it('takes the monitors with it that wait for their start byte, and no others', async () => {
    const launcher = await testLauncher({ pingIntervalMs })
    const [dir, other] = [scratchDir(), scratchDir()]
    expectCreated(
      await launcher.spawnMonitor(
        fakeMonitor(other, `${awaitStart}\n${forkDaemon}\necho '{"pid": 4242}' >&3`),
        noMove,
      ),
    )
    const daemon = killAtEnd(readPid(other, 'daemon'))
    const running = rejection(
      launcher.run({ ...sleeping, argv: ['sh', '-c', 'echo $$ >pid; exec sleep 600'], cwd: other }),
    )
    await waitFor('the command runs', () => existsSync(join(other, 'pid')) && readPid(other, 'pid') > 0)
    const command = killAtEnd(readPid(other, 'pid'))
    const spawned = deferred<number>()
    const starting = launcher.spawnMonitor(fakeMonitor(dir, `${awaitStart}\n: >started`), async (pid) => {
      spawned.resolve(pid)
      process.kill(launcher.pid ?? 0, 'SIGSTOP')
    })
    expect(await rejection(starting)).toMatchObject({ code: 'ERR_LAUNCHER_LOST' })
    expect(await running).toMatchObject({ code: 'ERR_LAUNCHER_LOST' })
    expect(isAlive(await spawned.promise)).toBe(false)
    expect(existsSync(join(dir, 'started'))).toBe(false)
    expect([daemon, command].map(isAlive)).toEqual([true, true])
  })

  it('is not what a slow command is taken for', async () => {
    const launcher = await testLauncher({ pingIntervalMs: 20 })
    const pid = launcher.pid
    expect((await launcher.run({ ...quick, argv: ['sleep', '1'] })).exitCode).toBe(0)
    expect(launcher.pid).toBe(pid)
  })

  it('does not hold up closing, and is killed by it', { timeout: long }, async () => {
    const launcher = await openLauncher({ closeGraceMs: 100 })
    const pid = killAtEnd(launcher.pid ?? 0)
    process.kill(pid, 'SIGSTOP')
    await launcher.close()
    await waitFor('it is dead', () => !isAlive(pid))
    expect(launcher.pid).toBeUndefined()
  })
})

describe('closing', () => {
  it('ends the launcher', async () => {
    const launcher = await openLauncher()
    const pid = launcher.pid ?? 0
    expect(isAlive(pid)).toBe(true)
    await launcher.close()
    expect(isAlive(pid)).toBe(false)
    await launcher.close()
  })

  it('finishes what is in flight, rejects what waits and what comes later', async () => {
    const launcher = await openLauncher({ inFlightMax: 1 })
    const running = launcher.run({ ...quick, argv: ['sh', '-c', 'sleep 0.3; echo done'] })
    const waiting = launcher.run(quick)
    const rejected = rejection(waiting)
    const closing = launcher.close()
    await expect(launcher.run(quick)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(await rejected).toMatchObject({ code: 'ERR_CLOSED' })
    expect((await running).stdout).toBe('done\n')
    await closing
  })

  it('rejects what does not finish within its grace', async () => {
    const launcher = await openLauncher({ closeGraceMs: 100 })
    const pid = killAtEnd(launcher.pid ?? 0)
    const dir = scratchDir()
    const command = { ...sleeping, argv: ['sh', '-c', 'echo $$ >pid; exec sleep 600'] as const, cwd: dir }
    const rejected = rejection(launcher.run(command))
    await waitFor('the command runs', () => existsSync(join(dir, 'pid')) && readPid(dir, 'pid') > 0)
    killAtEnd(readPid(dir, 'pid'))
    await launcher.close()
    expect(await rejected).toMatchObject({ code: 'ERR_CLOSED' })
    process.kill(readPid(dir, 'pid'), 'SIGKILL')
    await waitFor('the launcher ends after its last command', () => !isAlive(pid))
  })

  it('kills a monitor that has not got its start byte', async () => {
    const launcher = await openLauncher()
    const dir = scratchDir()
    const moving = deferred()
    const spawned = deferred<number>()
    const outcome = launcher.spawnMonitor(fakeMonitor(dir, `${awaitStart}\n: >started`), (pid) => {
      spawned.resolve(pid)
      return moving.promise
    })
    const rejected = rejection(outcome)
    const pid = await spawned.promise
    await launcher.close()
    moving.resolve()
    expect(await rejected).toMatchObject({ code: 'ERR_CLOSED' })
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(join(dir, 'started'))).toBe(false)
  })

  it('leaves monitors alone', async () => {
    const launcher = await openLauncher()
    const dir = scratchDir()
    const command = fakeMonitor(dir, `${awaitStart}\n${forkDaemon}\necho '{"pid": 4242}' >&3`)
    expectCreated(await launcher.spawnMonitor(command, noMove))
    const daemon = killAtEnd(readPid(dir, 'daemon'))
    await launcher.close()
    expect(isAlive(daemon)).toBe(true)
  })
})

describe('the process of the embedder', () => {
  it('is not kept alive by an idle launcher, which ends with it', async () => {
    const embedder = startEmbedder('idle')
    expect(await embedder.exited).toEqual({ code: 0, signal: null })
  })

  it('is kept alive by a request in flight', async () => {
    const embedder = startEmbedder('busy')
    expect(await embedder.fact()).toMatchObject({ exitCode: 0 })
    expect(await embedder.exited).toEqual({ code: 0, signal: null })
  })

  it('when killed takes a monitor without its start byte with it, and the launcher', async () => {
    const dir = scratchDir()
    const embedder = startEmbedder('unstarted', dir)
    const { launcherPid, pid } = await embedder.fact()
    expect(isAlive(pid)).toBe(true)
    embedder.kill()
    await waitFor('monitor and launcher are dead', () => !isAlive(pid) && !isAlive(launcherPid))
    expect(existsSync(join(dir, 'started'))).toBe(false)
  })

  it('when killed leaves a started monitor time to answer', async () => {
    const dir = scratchDir()
    const embedder = startEmbedder('shaking', dir)
    const { launcherPid } = await embedder.fact()
    await waitFor('the monitor has started', () => existsSync(join(dir, 'started')))
    embedder.kill()
    await embedder.exited
    writeFileSync(join(dir, 'answer'), '')
    const answered = () => existsSync(join(dir, 'answered'))
    await waitFor('the answer was taken and the launcher is dead', () => answered() && !isAlive(launcherPid))
    expect(answered()).toBe(true)
  })

  it.each([
    ['at once', false],
    ['after it was stopped, so that it took no answer', true],
  ])('when killed with many requests under way, %s, takes the launcher with it', async (_, stopped) => {
    const dir = scratchDir()
    const embedder = startEmbedder('crowd', dir)
    const { launcherPid } = await embedder.fact()
    const count = (kind: string) => readdirSync(dir).filter((name) => name.startsWith(`${kind}.`)).length
    await waitFor('all monitors have started', () => count('started') === crowdSize)
    if (stopped) embedder.stop()
    writeFileSync(join(dir, 'answer'), '')
    if (stopped) await waitFor('all monitors have answered', () => count('answered') === crowdSize)
    embedder.kill()
    await waitFor('the launcher is dead', () => !isAlive(killAtEnd(launcherPid)))
    await waitFor('all monitors have answered', () => count('answered') === crowdSize)
    const daemons = readdirSync(dir).filter((name) => name.startsWith('daemon.'))
    expect(daemons.map((name) => isAlive(killAtEnd(readPid(dir, name))))).toEqual(daemons.map(() => true))
  })

  it('when killed lets a command finish', async () => {
    const dir = scratchDir()
    const embedder = startEmbedder('running', dir)
    const { launcherPid } = await embedder.fact()
    await waitFor('the command runs', () => existsSync(join(dir, 'pid')))
    embedder.kill()
    await embedder.exited
    writeFileSync(join(dir, 'end'), '')
    await waitFor('the launcher is dead', () => !isAlive(launcherPid))
    expect(existsSync(join(dir, 'ended'))).toBe(true)
  })

  it('when killed lets no command go on for ever', { timeout: long }, async () => {
    const dir = scratchDir()
    const embedder = startEmbedder('running', dir)
    const { launcherPid } = await embedder.fact()
    await waitFor('the command runs', () => existsSync(join(dir, 'pid')) && readPid(dir, 'pid') > 0)
    embedder.kill()
    await waitFor('the launcher is dead', () => !isAlive(launcherPid), long)
    expect(isAlive(readPid(dir, 'pid'))).toBe(false)
    expect(existsSync(join(dir, 'ended'))).toBe(false)
  })
})
