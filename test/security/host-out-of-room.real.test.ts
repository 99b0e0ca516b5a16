/** A host that has nothing left to give still gets its containers killed, and every verb an answer. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { hostForTest, runtimePrograms } from '../e2e/facade-host.ts'
import { runtimeNames, until } from '../e2e/oci-host.ts'
import { pidExists } from '../../src/impl/process-identity.ts'
import { groupDirectory } from '../support/cgroups.ts'
import { patience } from '../support/patience.ts'
import { processes } from '../support/proc.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'

const begun = z.object({ pid: z.number(), taken: z.number().positive() })
const ended = z.object({ exit: z.object({ kind: z.literal('code'), code: z.number() }) })

describe.each(runtimeNames)('an embedder without a descriptor left, on %s', (handler) => {
  it('kills a container that ignores TERM, and records its exit when there are descriptors again', async () => {
    const root = makeTempRoot()
    makeRootfs(root)
    const program = new URL('out-of-descriptors-embedder.ts', import.meta.url).pathname
    const embedder = [process.execPath, program, root, makeContainerId(), handler, runtimePrograms[handler]]
    // Few enough to be used up at once, enough for what a specification asks for by default.
    const child = spawn('prlimit', ['--nofile=2048:2048', ...embedder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const read = async (): Promise<unknown> => JSON.parse(z.string().parse((await lines.next()).value))

    const { pid } = begun.parse(await read())
    await until('init is killed', () => !pidExists(pid))
    child.stdin.write('\n')
    expect(ended.parse(await read()).exit.code).toBe(137)
    child.stdin.end()
    expect(await exited).toEqual([0, null])
  })
})

/** A cgroup for processes that are to have no more of them. Removed when the test is over, and everything in it has ended. */
function makePidsCgroup() {
  const directory = groupDirectory('pids', `/${makeContainerId('full')}`)
  mkdirSync(directory)
  onTestFinished(() => until('the cgroup is empty', () => removes(directory)))
  return {
    take: (pid: number) => writeFileSync(`${directory}/cgroup.procs`, String(pid)),
    fill: () => writeFileSync(`${directory}/pids.max`, readFileSync(`${directory}/pids.current`)),
    makeRoom: () => writeFileSync(`${directory}/pids.max`, 'max'),
  }
}

function removes(directory: string): boolean {
  try {
    rmdirSync(directory)
    return true
  } catch {
    return false
  }
}

/** Of this process's only runtime. */
function launcherPid(): number {
  const ours = [...processes().values()].filter(({ parentPid }) => parentPid === process.pid)
  const [launcher, ...others] = ours.filter(({ command }) => command.includes('launcher/main'))
  if (launcher === undefined || others.length > 0) throw new Error('there must be one launcher')
  return launcher.pid
}

describe.each(runtimeNames)('a helper process whose cgroup may have no more processes, on %s', (handler) => {
  it(
    'answers a create and a command with ERR_BUSY and lives on, and both work when there is room again',
    { timeout: patience(180_000) },
    async () => {
      const cgroup = makePidsCgroup()
      const host = await hostForTest(handler)
      const { runtime } = host
      const running = await host.start(['/bin/sleep', '600'])
      const launcher = launcherPid()
      cgroup.take(launcher)
      cgroup.fill()

      const refused = await host.describe(['/bin/sleep', '600'])
      const busy = { code: 'ERR_BUSY', message: expect.stringContaining('limit on processes') as unknown }
      await expect(runtime.createContainer(refused)).rejects.toMatchObject(busy)
      await expect(runtime.execSyncContainer(running, ['/bin/true'], 60)).rejects.toMatchObject(busy)
      await expect(runtime.startExec(running, ['/bin/true'])).rejects.toMatchObject(busy)
      expect(launcherPid()).toBe(launcher)

      cgroup.makeRoom()
      expect(await runtime.execSyncContainer(running, ['/bin/true'], 60)).toMatchObject({ exitCode: 0 })
      await runtime.deleteContainer(refused)
      const again = await host.describe(['/bin/sleep', '600'], { options: { id: refused.id } })
      await runtime.createContainer(again)
      await runtime.deleteContainer(again, { force: true })
      expect(launcherPid()).toBe(launcher)
    },
  )
})
