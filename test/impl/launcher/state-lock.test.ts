import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openLauncher } from '../../../src/impl/launcher/launcher.ts'
import { lockStateDirectory, type StateLock } from '../../../src/impl/launcher/state-lock.ts'
import { makeTempRoot } from '../../support/temp-root.ts'
import { containing } from './support.ts'

async function lock(stateDir: string, waitMs = 0): Promise<StateLock> {
  const held = await lockStateDirectory(stateDir, { waitMs })
  onTestFinished(() => held.release())
  return held
}

/** A process that holds the lock, and tells the pid of its launcher where it has one. */
async function holder(stateDir: string, withLauncher: boolean) {
  const program = `
    import { lockStateDirectory } from ${JSON.stringify(new URL('../../../src/impl/launcher/state-lock.ts', import.meta.url).href)}
    import { openLauncher } from ${JSON.stringify(new URL('../../../src/impl/launcher/launcher.ts', import.meta.url).href)}
    const lock = await lockStateDirectory(${JSON.stringify(stateDir)})
    if (${withLauncher}) {
      const launcher = await openLauncher({ heldFd: lock.fd })
      // What it has begun it finishes, also without us.
      void launcher.run({ argv: ['sleep', '1'], env: { PATH: process.env.PATH ?? '' }, timeoutMs: 60_000 }).catch(() => {})
    }
    setTimeout(() => process.stdout.write('locked'), ${withLauncher ? 300 : 0})
    setInterval(() => {}, 1000)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return {
    pid: child.pid ?? 0,
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

function filesOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
}
