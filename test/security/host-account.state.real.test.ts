/** Files of a supervisor that were changed while none was running, on a real runtime. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle } from '../../src/index.ts'
import { killProcess, observeProcess, readIdentitySync } from '../../src/impl/process-identity.ts'
import { runtimePrograms } from '../e2e/facade-host.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'

const nobody = 65_534
const SIGKILL = 9

/** For the exit of a process whose start time is wrong; by default a minute is given to a monitor that is slow. */
const limits = { exitFileWaitMs: 5000 }

interface Left {
  readonly root: string
  readonly statePath: string
  readonly notesPath: string
  readonly exitFile: string
}

/** A running container whose supervisor has gone, what is done to its files then, and the next supervisor. */
async function afterTampering(tamper: (left: Left) => void) {
  const root = makeTempRoot()
  makeRootfs(root)
  const config = defineConfig({
    defaultRuntime: 'crun',
    runtimes: { crun: { runtimePath: runtimePrograms.crun } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  })
  const id = makeContainerId('tampered')
  const bundlePath = join(root, 'bundle')
  await writeBundle(bundlePath, defaultSpec({ rootfs: join(root, 'rootfs'), args: ['/bin/sleep', '1000'] }))
  const before = await Runtime.open(config)
  const container = new Container({ id, bundlePath })
  await before.createContainer(container)
  await before.startContainer(container)
  const init = readIdentitySync(container.state.pid)
  if (init === undefined) throw new Error('the container does not run')
  await before.close()
  const { dir, statePath } = container
  tamper({
    root,
    statePath,
    notesPath: join(dir, 'runtime-oci.json'),
    exitFile: join(config.containerExitsDir, id),
  })
  const runtime = await Runtime.open(config, { limits })
  onTestFinished(async () => {
    killProcess(init, SIGKILL)
    await Promise.allSettled(runtime.containers.list().map((left) => runtime.deleteContainer(left)))
    await runtime.close()
  })
  return {
    runtime,
    config,
    id,
    init,
    statePath,
    adopted: runtime.containers.get(id),
    inRuntime: join(root, 'run/runtimes/crun', id),
  }
}

const documentSchema = z.record(z.string(), z.unknown())

function edit(path: string, change: (document: z.output<typeof documentSchema>) => object): void {
  const document = documentSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  writeFileSync(path, JSON.stringify(change(document)))
}

function withInit(init: object) {
  return ({ statePath }: Left): void =>
    edit(statePath, ({ ociSupervisor, ...state }) => ({
      ...state,
      ociSupervisor: { ...documentSchema.parse(ociSupervisor), init },
    }))
}

describe('a container whose files were changed', () => {
  it.each<[string, (left: Left) => void]>([
    ['a start time that is not that of its process', withInit({ pid: process.ppid, startTicks: '12' })],
    ['notes of another user', ({ notesPath }) => chownSync(notesPath, nobody, nobody)],
    ['notes that its group may write', ({ notesPath }) => chmodSync(notesPath, 0o660)],
    ['notes that are no notes', ({ notesPath }) => writeFileSync(notesPath, '[]')],
    [
      'an exit of another user',
      ({ exitFile }) => {
        writeFileSync(exitFile, '0')
        chownSync(exitFile, nobody, nobody)
      },
    ],
    [
      'an exit that is no such thing: its init lives',
      ({ exitFile }) => writeFileSync(exitFile, '0', { mode: 0o600 }),
    ],
  ])('can be ended and deleted with %s', async (_, tamper) => {
    const { runtime, init, adopted, inRuntime } = await afterTampering(tamper)
    if (adopted === undefined) throw new Error('it was not adopted')
    expect(existsSync(inRuntime)).toBe(true)
    await runtime.stopContainer(adopted, 0)
    await runtime.deleteContainer(adopted)
    expect(await observeProcess(init)).toBe('gone')
    expect(existsSync(inRuntime)).toBe(false)
  })

  it('has no exit code by an exit of another user', async () => {
    const { runtime, adopted } = await afterTampering(({ exitFile }) => {
      writeFileSync(exitFile, '0')
      chownSync(exitFile, nobody, nobody)
    })
    if (adopted === undefined) throw new Error('it was not adopted')
    expect(adopted.phase).toBe('running')
    await runtime.stopContainer(adopted, 0)
    expect(adopted.state.exit).toMatchObject({ kind: 'code', code: 137 })
  })

  it.each<[string, () => (left: Left) => void]>([
    ['the init process of the host', () => withInit({ pid: 1, startTicks: readIdentitySync(1)?.startTicks })],
    ['the supervisor itself', () => withInit(readIdentitySync(process.pid) ?? {})],
  ])('is set aside when its state names %s', async (_, tamper) => {
    let whole = ''
    const { runtime, adopted, config, id, init, statePath } = await afterTampering((left) => {
      whole = readFileSync(left.statePath, 'utf8')
      tamper()(left)
    })
    expect(adopted).toBeUndefined()
    expect(await observeProcess(init)).toBe('alive')
    // Put in order and back into the index, it is adopted and can be deleted.
    await runtime.close()
    writeFileSync(statePath, whole)
    const [entry = ''] = readdirSync(join(config.stateDir, 'quarantine'))
    renameSync(join(config.stateDir, 'quarantine', entry), join(config.stateDir, 'index', entry))
    const next = await Runtime.open(config)
    const container = next.containers.get(id)
    if (container === undefined) throw new Error('it was not adopted')
    await next.deleteContainer(container)
    await next.close()
    expect(await observeProcess(init)).toBe('gone')
  })

  it('leaves a directory alone that its notes say is a cgroup', async () => {
    let empty = ''
    const { runtime, adopted, inRuntime } = await afterTampering(({ root, notesPath }) => {
      empty = join(root, 'empty')
      mkdirSync(empty)
      edit(notesPath, (notes) => ({
        ...notes,
        cgroupPaths: { pids: `/../../../..${empty}`, '': `/../../../..${empty}` },
      }))
    })
    if (adopted === undefined) throw new Error('it was not adopted')
    await runtime.deleteContainer(adopted)
    expect([existsSync(empty), existsSync(inRuntime)]).toEqual([true, false])
  })
})
