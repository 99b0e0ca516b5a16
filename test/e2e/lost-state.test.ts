/** Somebody removes the runtime's own files of a container that lives: the process is there all the same, and everything ends it. */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle } from '../../src/index.ts'
import { readIdentitySync } from '../../src/impl/process-identity.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import { trapsTerm } from '../contract/harness.ts'
import { patience } from '../contract/stage.ts'
import { cgroupsOf, processesNaming } from './oci-host.ts'

const programs = { crun: '/usr/bin/crun', runc: '/usr/sbin/runc' } as const
const shim = '/usr/bin/containerd-shim-runc-v2'
const handlers = [
  ['crun', { runtimePath: programs.crun }],
  ['runc', { runtimePath: programs.runc }],
  ['a shim with crun', { runtimeType: 'vm', runtimePath: shim, ociRuntimePath: programs.crun }],
  ['a shim with runc', { runtimeType: 'vm', runtimePath: shim, ociRuntimePath: programs.runc }],
] as const

function tracesOf({ id }: Container, pid: number): unknown[] {
  const alive = readIdentitySync(pid)
  return [...(alive === undefined ? [] : [alive]), ...cgroupsOf(id), ...processesNaming(id)]
}

describe.each(handlers)('a container of %s whose runtime’s files were removed', (_, handler) => {
  const root = makeTempRoot()
  const config = defineConfig({
    defaultRuntime: 'chosen',
    runtimes: { chosen: handler },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  })
  const runtimeRoot = config.runtimes['chosen']?.runtimeRoot ?? ''
  let rootfs = ''
  let runtime: Runtime
  beforeAll(async () => {
    rootfs = makeRootfs(root)
    runtime = await Runtime.open(config)
  })
  afterAll(async () => {
    await Promise.allSettled(runtime.containers.list().map((left) => runtime.deleteContainer(left)))
    await runtime.close()
  })

  async function created(args: readonly string[]): Promise<Container> {
    const id = makeContainerId('nostate')
    const bundlePath = join(root, id)
    mkdirSync(bundlePath, { mode: 0o700 })
    await writeBundle(bundlePath, defaultSpec({ rootfs, args: [...args], cgroupsPath: `/${id}` }))
    const container = new Container({ id, bundlePath, dir: join(root, `${id}-dir`) })
    await runtime.createContainer(container)
    return container
  }

  async function running(args: readonly string[] = ['/bin/sleep', '1000']): Promise<Container> {
    const container = await created(args)
    await runtime.startContainer(container)
    return container
  }

  function removeState({ id }: Container): void {
    const directory = [join(runtimeRoot, id), join(runtimeRoot, 'default', id)].find((path) =>
      existsSync(path),
    )
    if (directory === undefined) throw new Error('the runtime keeps nothing')
    rmSync(directory, { recursive: true })
  }

  it('is seen to run, takes signals, and is stopped with its own exit code', async () => {
    const container = await running(trapsTerm)
    const { pid } = container.state
    await runtime.execSyncContainer(container, ['/bin/true'], 20)
    removeState(container)
    await runtime.updateContainerStatus(container)
    expect(container.status).toBe('running')
    await runtime.signalContainer(container, 'SIGWINCH')
    await runtime.stopContainer(container, 600)
    expect(container.state.exit).toMatchObject({ kind: 'code', code: 7 })
    await runtime.deleteContainer(container)
    expect(tracesOf(container, pid)).toEqual([])
  })

  it('refuses what the runtime has to do, with one code', async () => {
    const container = await running()
    removeState(container)
    for (const attempt of [
      () => runtime.execSyncContainer(container, ['/bin/true'], 20),
      () => runtime.startExec(container, ['/bin/true']),
      () => runtime.updateContainer(container, { pids: { limit: 50 } }),
      // The last: then the container is looked at anew.
      () => runtime.pauseContainer(container),
    ])
      await expect(attempt()).rejects.toMatchObject({ code: 'ERR_UNKNOWN_TO_RUNTIME' })
    await expect.poll(() => container.phase, patience).toBe('running')
    await runtime.deleteContainer(container)
  })

  it('is thawed, and deleted by force', async () => {
    const thawed = await running()
    await runtime.pauseContainer(thawed)
    removeState(thawed)
    await runtime.unpauseContainer(thawed)
    expect(thawed.status).toBe('running')
    const { pid } = thawed.state
    await runtime.deleteContainer(thawed)
    expect(tracesOf(thawed, pid)).toEqual([])

    const frozen = await running()
    await runtime.pauseContainer(frozen)
    removeState(frozen)
    const frozenPid = frozen.state.pid
    await runtime.deleteContainer(frozen)
    expect(tracesOf(frozen, frozenPid)).toEqual([])
  })

  it('leaves no process when it was created only', async () => {
    const container = await created(['/bin/sleep', '1000'])
    const { pid } = container.state
    removeState(container)
    await expect(runtime.startContainer(container)).rejects.toMatchObject({ code: 'ERR_UNKNOWN_TO_RUNTIME' })
    expect(tracesOf(container, pid)).toEqual([])
    await runtime.deleteContainer(container)

    const deleted = await created(['/bin/sleep', '1000'])
    const deletedPid = deleted.state.pid
    removeState(deleted)
    await runtime.deleteContainer(deleted)
    expect(tracesOf(deleted, deletedPid)).toEqual([])
  })
})
