import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { defineConfig } from '../../../src/config/define-config.ts'
import { Container } from '../../../src/container.ts'
import { placeSyncFifo, watchMonitor } from '../../../src/impl/oci/monitor-sync.ts'
import { silentLogger } from '../../../src/surroundings/logger.ts'
import { makeTempRoot } from '../../support/temp-root.ts'

function stage() {
  const runDir = makeTempRoot()
  mkdirSync(join(runDir, 'sync'))
  const fifo = join(runDir, 'sync', 'c1')
  execFileSync('mkfifo', [fifo])
  const config = defineConfig({
    defaultRuntime: 'crun',
    runtimes: { crun: { runtimePath: '/crun' } },
    runDir,
    stateDir: join(runDir, 'state'),
  })
  /** What one supervisor knows. */
  const supervisor = () => {
    const closing = new AbortController()
    const world = {
      config,
      logger: silentLogger,
      syncPipes: new Map<string, Socket>(),
      closed: closing.signal,
    }
    const close = () => void world.syncPipes.get('c1')?.destroy()
    onTestFinished(close)
    const container = new Container({ id: 'c1', bundlePath: join(runDir, 'b') })
    return { gone: () => watchMonitor(world, container), close, syncPipes: world.syncPipes, closing }
  }
  return { runDir, fifo, supervisor }
}

/** Has the FIFO open at both ends, as the launcher opens it for conmon, and does what the script says. */
async function monitorOf(fifo: string, script = 'sleep 600'): Promise<ChildProcess> {
  const child = spawn('sh', ['-c', `exec 3<>"$0"; echo open; ${script}`, fifo], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  })
  onTestFinished(() => void kill(child))
  await once(child.stdout, 'data')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  process.kill(-(child.pid ?? 0), 'SIGKILL')
  await once(child, 'exit')
}

describe('the death of a monitor', () => {
  it('is seen by the end of its FIFO, by whoever opened that, however often', async () => {
    const { fifo, supervisor } = stage()
    const monitor = await monitorOf(fifo)
    const [first, second] = [supervisor(), supervisor()]
    const goneBefore = first.gone()
    const gone = second.gone()
    expect(goneBefore).toBeDefined()
    expect(await Promise.race([goneBefore, gone, Promise.resolve('alive')])).toBe('alive')
    await kill(monitor)
    await Promise.all([goneBefore, gone])
    await expect.poll(() => first.syncPipes.size).toBe(0)
  })

  it('is seen at once when it happened before anybody looked', async () => {
    const { fifo, supervisor } = stage()
    await kill(await monitorOf(fifo))
    const gone = supervisor().gone()
    expect(gone).toBeDefined()
    await gone
  })

  it('is seen although the monitor has said more than was read', async () => {
    const { fifo, supervisor } = stage()
    const monitor = await monitorOf(fifo, 'echo unread >&3; echo more >&3; sleep 600')
    const gone = supervisor().gone()
    expect(gone).toBeDefined()
    await kill(monitor)
    await gone
  })

  it('is not what the closing of our own end is taken for', async () => {
    const { fifo, supervisor } = stage()
    await monitorOf(fifo)
    const { gone, close, syncPipes } = supervisor()
    const end = gone()
    close()
    await expect.poll(() => syncPipes.size).toBe(0)
    expect(await Promise.race([end, Promise.resolve('closed')])).toBe('closed')
  })

  it('is not listened for once the implementation is closed', async () => {
    const { fifo, supervisor } = stage()
    await monitorOf(fifo)
    const { gone, closing, syncPipes } = supervisor()
    closing.abort()
    expect([gone(), syncPipes.size]).toEqual([undefined, 0])
  })

  it('is left to a probe where there is no such FIFO', () => {
    const { fifo, supervisor } = stage()
    execFileSync('rm', [fifo])
    expect(supervisor().gone()).toBeUndefined()
    writeFileSync(fifo, '')
    expect(supervisor().syncPipes.size).toBe(0)
  })
})

describe('the FIFO of a monitor', () => {
  it('comes to its place, whose directory is made (0700) if it is missing', async () => {
    const { runDir, fifo } = stage()
    const place = join(runDir, 'elsewhere', 'c1')
    await placeSyncFifo(fifo, place)
    expect(lstatSync(place).isFIFO()).toBe(true)
    expect(lstatSync(join(runDir, 'elsewhere')).mode & 0o777).toBe(0o700)
    expect(existsSync(fifo)).toBe(false)
    await expect(placeSyncFifo(fifo, place)).rejects.toMatchObject({ code: 'ERR_IO' })
  })
})
