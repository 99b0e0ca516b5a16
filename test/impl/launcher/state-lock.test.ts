import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openLauncher } from '../../../src/impl/launcher/launcher.ts'
import { lockStateDirectory, type StateLock } from '../../../src/impl/launcher/state-lock.ts'
import { makeTempRoot } from '../../support/temp-root.ts'
import { readIdentitySync } from '../../../src/impl/process-identity.ts'
import { containing, isAlive, killAtEnd, waitFor } from './support.ts'

async function lock(stateDir: string, waitMs = 0): Promise<StateLock> {
  const held = await lockStateDirectory(stateDir, { waitMs })
  onTestFinished(() => held.release())
  return held
}

/** A process that holds the lock, and tells the pid of its launcher where it has one. */
async function holder(stateDir: string, withLauncher: boolean, dir?: string) {
  const program = `
    import { existsSync } from 'node:fs'
    import { lockStateDirectory } from ${JSON.stringify(new URL('../../../src/impl/launcher/state-lock.ts', import.meta.url).href)}
    import { openLauncher } from ${JSON.stringify(new URL('../../../src/impl/launcher/launcher.ts', import.meta.url).href)}
    import { awaitStart, fakeMonitor } from ${JSON.stringify(new URL('support-scripts.ts', import.meta.url).href)}
    const lock = await lockStateDirectory(${JSON.stringify(stateDir)})
    if (${withLauncher}) {
      const launcher = await openLauncher({ heldFd: lock.fd, onStarted: (identity) => lock.nameLauncher(identity) })
      if (${dir !== undefined}) {
        const command = fakeMonitor(${JSON.stringify(dir ?? '')}, awaitStart + '\\n: >started')
        await new Promise((spawned) => {
          void launcher.spawnMonitor(command, (pid) => {
            process.stdout.write(launcher.pid + ' ' + pid + ' ')
            spawned()
            return new Promise(() => {})
          })
        })
      }
      // What it has begun it finishes, also without us.
      const begun = ${JSON.stringify(stateDir)} + '/begun'
      const argv = ['sh', '-c', ': > ' + begun + '; exec sleep 1']
      void launcher.run({ argv, env: { PATH: process.env.PATH ?? '' }, timeoutMs: 60_000 }).catch(() => {})
      while (!existsSync(begun)) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    process.stdout.write('locked')
    setInterval(() => {}, 1000)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
  await waitFor('it holds the lock', () => said.includes('locked'))
  return {
    pid: child.pid ?? 0,
    /** Of its launcher, and of a monitor that waits for its start byte. */
    pids: said.split(' ').map(Number),
    kill: async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

describe.runIf(process.platform === 'linux')('the lock of a state directory', () => {
  it('makes the directory, and is free again once released', async () => {
    const stateDir = join(makeTempRoot(), 'below', 'state')
    await (await lock(stateDir)).release()
    await lock(stateDir)
    expect(readdirSync(stateDir)).toEqual(['lock'])
  })

  it('is refused to another runtime of the same process', async () => {
    const stateDir = makeTempRoot()
    await lock(stateDir)
    await expect(lock(stateDir, 60_000)).rejects.toMatchObject({
      code: 'ERR_STATE_DIR_LOCKED',
      file: join(stateDir, 'lock'),
      message: containing('another runtime of this process'),
    })
  })

  it('is refused while another process lives that has it, naming both, and had at once when that is killed', async () => {
    const stateDir = makeTempRoot()
    const other = await holder(stateDir, false)
    await expect(lock(stateDir, 60_000)).rejects.toMatchObject({
      code: 'ERR_STATE_DIR_LOCKED',
      message: containing(`${stateDir} is in use by process ${other.pid};`),
    })
    await other.kill()
    await lock(stateDir)
    expect(readFileSync(join(stateDir, 'lock'), 'utf8')).toContain(`"pid":${process.pid}`)
  })

  it('is waited for while the launcher of a killed supervisor finishes, and no longer than that may take', async () => {
    const stateDir = makeTempRoot()
    const other = await holder(stateDir, true)
    await other.kill()
    await expect(lock(stateDir, 0)).rejects.toMatchObject({
      code: 'ERR_STATE_DIR_LOCKED',
      message: containing(`process ${other.pid}, which has ended`),
    })
    await lock(stateDir, 20_000)
  })

  it('is had nevertheless when that launcher is stopped: it is ended, after the monitors it has not started', async () => {
    const stateDir = makeTempRoot()
    const dir = makeTempRoot()
    const other = await holder(stateDir, true, dir)
    const [launcher, monitor] = other.pids
    if (launcher === undefined || monitor === undefined) throw new Error('it tells both')
    killAtEnd(launcher)
    process.kill(launcher, 'SIGSTOP')
    await other.kill()
    const held = await lockStateDirectory(stateDir, { launcherMs: 100 })
    onTestFinished(() => held.release())
    expect([launcher, monitor].map(isAlive)).toEqual([false, false])
    expect(existsSync(join(dir, 'started'))).toBe(false)
  })

  it('says of a launcher that has to finish after a release who that is', async () => {
    const stateDir = makeTempRoot()
    const held = await lock(stateDir)
    const launcher = { pid: 4242, startTicks: '17' }
    await held.nameLauncher(launcher)
    const record = () => JSON.parse(readFileSync(join(stateDir, 'lock'), 'utf8')) as unknown
    expect(record()).toMatchObject({ pid: process.pid, launcher })
    await held.release()
    expect(record()).toEqual({ launcher })
  })

  it('is not had by ending a process that does not hold it, whatever the record says', async () => {
    const stateDir = makeTempRoot()
    const file = join(stateDir, 'lock')
    const [keeper, bystander] = [
      ['flock', file, 'sleep', '600'],
      ['sleep', '600'],
    ].map(([program = '', ...args]) => spawn(program, args, { stdio: 'ignore', detached: true }))
    onTestFinished(() => {
      for (const child of [keeper, bystander]) process.kill(-(child?.pid ?? 0), 'SIGKILL')
    })
    await waitFor('it is locked', () => existsSync(file) && isLocked(file))
    writeFileSync(file, JSON.stringify({ launcher: readIdentitySync(bystander?.pid ?? 0) }))
    await expect(lockStateDirectory(stateDir, { launcherMs: 0, waitMs: 1000 })).rejects.toMatchObject({
      code: 'ERR_STATE_DIR_LOCKED',
    })
    expect(isAlive(bystander?.pid ?? 0)).toBe(true)
  })

  it('is an error when the program flock is stopped', async () => {
    const stateDir = makeTempRoot()
    const bin = makeTempRoot()
    writeFileSync(join(bin, 'flock'), '#!/bin/sh\nkill -STOP $$\n', { mode: 0o755 })
    await expect(lockStateDirectory(stateDir, { path: bin, attemptMs: 300 })).rejects.toMatchObject({
      code: 'ERR_IO',
      message: containing('flock has not ended within 300 ms'),
    })
  })

  it('is inherited by nobody but the launcher', async () => {
    const stateDir = makeTempRoot()
    const { fd } = await lock(stateDir)
    const launcher = await openLauncher({ heldFd: fd })
    onTestFinished(() => launcher.close())
    expect(filesOf(launcher.pid ?? 0)).toContain(join(stateDir, 'lock'))
    const result = await launcher.run({
      argv: ['ls', '-l', '/proc/self/fd'],
      env: { PATH: process.env['PATH'] ?? '' },
      timeoutMs: 10_000,
    })
    expect(result.stdout).toContain('/proc/')
    expect(result.stdout).not.toContain(stateDir)
  })

  it.each([undefined, ''])('finds flock where the system has its programs when PATH is %j', async (path) => {
    const own = process.env['PATH']
    if (path === undefined) delete process.env['PATH']
    else process.env['PATH'] = path
    try {
      expect((await lock(makeTempRoot())).fd).toBeGreaterThan(2)
    } finally {
      process.env['PATH'] = own
    }
  })

  it('says what is missing without the program flock', async () => {
    const stateDir = makeTempRoot()
    await expect(lockStateDirectory(stateDir, { path: stateDir })).rejects.toMatchObject({
      code: 'ERR_RUNTIME_NOT_FOUND',
      message: containing('install util-linux'),
    })
  })

  it('follows no link and takes no directory for a file', async () => {
    const [linked, occupied] = [makeTempRoot(), makeTempRoot()]
    symlinkSync('/etc/hostname', join(linked, 'lock'))
    mkdirSync(join(occupied, 'lock'))
    for (const stateDir of [linked, occupied]) {
      await expect(lock(stateDir)).rejects.toMatchObject({ code: 'ERR_IO', file: join(stateDir, 'lock') })
    }
  })
})

function isLocked(file: string): boolean {
  return spawnSync('flock', ['--nonblock', file, 'true']).status === 1
}

function filesOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
}
