/** The launcher does not answer, although it lives: stopped by a debugger, or in a cgroup that was frozen. */
import { readFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Runtime } from '../../src/index.ts'
import { killProcess, readIdentitySync } from '../../src/impl/process-identity.ts'
import { readProcesses } from '../../src/impl/process-tree.ts'
import { patience } from '../support/patience.ts'
import { codeOf, hostForTest, signalFromOutside, type FacadeHost } from './facade-host.ts'
import { makeContainerId } from '../support/temp-root.ts'
import { processesNaming, until } from './oci-host.ts'

const SIGKILL = 9
const SIGSTOP = 19
const echo = ['/bin/echo', 'hi']

/** Stops the launcher of this process, which lives until the test is over at most. */
async function stopLauncher(): Promise<number> {
  const launcher = (await readProcesses()).find(
    ({ pid, parentPid }) =>
      parentPid === process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('launcher/main'),
  )
  if (launcher === undefined) throw new Error('this process has no launcher')
  onTestFinished(() => void killProcess(launcher, SIGKILL))
  signalFromOutside(launcher.pid, SIGSTOP)
  return launcher.pid
}

async function stage(): Promise<FacadeHost & { container: Awaited<ReturnType<FacadeHost['run']>> }> {
  const host = await hostForTest('crun')
  const container = await host.run(['/bin/sleep', '1000'])
  // The FIFOs are there: it is the command itself that waits for the launcher.
  await host.runtime.execSyncContainer(container, echo, 30)
  return { ...host, container }
}

describe('a launcher that is stopped', { timeout: patience(120_000) }, () => {
  it('holds up nobody beyond his own limit, or who gives up, and is replaced', async () => {
    const { runtime, container } = await stage()
    const stopped = await stopLauncher()
    const signal = AbortSignal.timeout(100)
    const [timed, given, started] = await Promise.all([
      runtime.execSyncContainer(container, echo, 1),
      codeOf(runtime.execSyncContainer(container, echo, 0, { signal })),
      codeOf(runtime.startExec(container, echo, { signal })),
    ])
    expect(timed).toMatchObject({ timedOut: true, exitCode: -1 })
    expect([given, started]).toEqual(['ERR_ABORTED', 'ERR_ABORTED'])
    expect(await codeOf(runtime.execSyncContainer(container, echo, patience(90)))).toBe('ERR_LAUNCHER_LOST')
    expect(readIdentitySync(stopped)).toBeUndefined()
    expect(await runtime.execSyncContainer(container, echo, 30)).toMatchObject({ exitCode: 0 })
  })

  it('holds up neither the end of a command whose time is up, nor closing, nor the next one to open', async () => {
    const { runtime, container, config } = await stage()
    const mark = makeContainerId('mark')
    const running = runtime.execSyncContainer(
      container,
      ['/bin/sh', '-c', `sleep 1000; : ${mark}`],
      patience(10),
    )
    await until('the command runs', () => processesNaming(mark).some((line) => !line.includes('conmon')))
    const stopped = await stopLauncher()
    expect(await running).toMatchObject({ timedOut: true })
    await runtime.stopContainer(container, 0)
    expect(container.status).toBe('stopped')
    await runtime.close()
    const next = await Runtime.open(config)
    onTestFinished(async () => {
      await Promise.all(next.containers.list().map((left) => next.deleteContainer(left)))
      await next.close()
    })
    expect(readIdentitySync(stopped)).toBeUndefined()
    expect(next.containers.list().map(({ id }) => id)).toEqual([container.id])
  })
})
