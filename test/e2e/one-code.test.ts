/** One cause has one code, whichever runtime stumbles over it, with a shim or without. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle, type OciSpec } from '../../src/index.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'

const programs = { crun: '/usr/bin/crun', runc: '/usr/sbin/runc' } as const
const shim = '/usr/bin/containerd-shim-runc-v2'
const handlers = [
  ['crun', { runtimePath: programs.crun }],
  ['runc', { runtimePath: programs.runc }],
  ['a shim with crun', { runtimeType: 'vm', runtimePath: shim, ociRuntimePath: programs.crun }],
  ['a shim with runc', { runtimeType: 'vm', runtimePath: shim, ociRuntimePath: programs.runc }],
] as const
/** A file of every root of these tests. */
const aFile = '/bin/busybox'

describe.each(handlers)('with %s', (_, handler) => {
  const root = makeTempRoot()
  const config = defineConfig({
    defaultRuntime: 'chosen',
    runtimes: { chosen: handler },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  })
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

  async function create(change: (spec: OciSpec) => void = () => undefined): Promise<Container> {
    const id = makeContainerId('code')
    const bundlePath = join(root, id)
    mkdirSync(bundlePath, { mode: 0o700 })
    const spec = defaultSpec({ rootfs, args: ['/bin/sleep', '1000'], cgroupsPath: `/${id}` })
    change(spec)
    await writeBundle(bundlePath, spec)
    const container = new Container({ id, bundlePath, dir: join(root, `${id}-dir`) })
    await runtime.createContainer(container)
    return container
  }

  it('a working directory that is a file is an invalid argument, of a command and of a container', async () => {
    const container = await create()
    await runtime.startContainer(container)
    const refused = { code: 'ERR_INVALID_ARGUMENT', field: 'cwd' }
    for (const cwd of [aFile, '/no/such'])
      for (const attempt of [
        () => runtime.execSyncContainer(container, ['/bin/true'], 20, { cwd }),
        () => runtime.startExec(container, ['/bin/true'], { cwd }),
      ])
        await expect(attempt()).rejects.toMatchObject(refused)
    await runtime.deleteContainer(container)
    const inAFile = create((spec) => {
      if (spec.process !== undefined) spec.process.cwd = aFile
    })
    await expect(inAFile).rejects.toMatchObject(refused)
  })

  it('a command below a file is not found, and a directory is none', async () => {
    const container = await create()
    await runtime.startContainer(container)
    const attempt = (path: string) => runtime.execSyncContainer(container, [path], 20)
    await expect(attempt(`${aFile}/x`)).rejects.toMatchObject({ code: 'ERR_COMMAND_NOT_FOUND' })
    await expect(attempt('/bin')).rejects.toMatchObject({ code: 'ERR_COMMAND_NOT_EXECUTABLE' })
    await runtime.deleteContainer(container)
  })

  it('a hook that fails, and too little memory, fail the create', async () => {
    const path = join(root, 'hook')
    writeFileSync(path, '#!/bin/sh\nexit 3\n')
    chmodSync(path, 0o755)
    for (const name of ['prestart', 'createRuntime', 'createContainer'] as const) {
      const hooked = create((spec) => void Object.assign(spec, { hooks: { [name]: [{ path }] } }))
      await expect(hooked).rejects.toMatchObject({ code: 'ERR_CREATE_FAILED' })
    }
    const starved = create((spec) => {
      if (spec.linux !== undefined) spec.linux.resources = { memory: { limit: 4096 } }
    })
    await expect(starved).rejects.toMatchObject({ code: 'ERR_CREATE_FAILED' })
  })
})
