/** Containers behind a shim outlive their supervisor, and the next one goes on with them, as with conmon. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Container, defaultSpec, Runtime, writeBundle } from '../../src/index.ts'
import { killProcess, observeProcess, readIdentitySync } from '../../src/impl/process-identity.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import { processesNaming, until } from './oci-host.ts'
import { shimOf, vmConfig, vmTraces } from './vm-host.ts'

const SIGKILL = 9

async function open(script: string) {
  const root = makeTempRoot()
  const config = vmConfig(root)
  const rootfs = makeRootfs(root)
  const id = makeContainerId('vm')
  const bundlePath = join(root, id)
  mkdirSync(bundlePath, { mode: 0o700 })
  const args = ['/bin/sh', '-c', script]
  await writeBundle(bundlePath, defaultSpec({ rootfs, args, cgroupsPath: `/${id}` }))
  const container = new Container({ id, bundlePath, dir: join(root, `${id}-dir`) })
  const runtime = await Runtime.open(config)
  await runtime.createContainer(container)
  await runtime.startContainer(container)
  const again = async (): Promise<{ runtime: Runtime; container: Container }> => {
    const next = await Runtime.open(config)
    onTestFinished(() => next.close())
    const taken = next.containers.get(id)
    if (taken === undefined) throw new Error('it was not taken up')
    return { runtime: next, container: taken }
  }
  const place = { runDir: config.runDir, runtimeRoot: config.runtimes['shim']?.runtimeRoot ?? '' }
  return { runtime, container, again, traces: () => vmTraces(place, container) }
}

const logOf = ({ logPath }: Container): string => (existsSync(logPath) ? readFileSync(logPath, 'utf8') : '')

describe('a restart of the supervisor', () => {
  it('goes on with a container that runs: its log, its commands, its stop', async () => {
    const first = await open('trap "echo bye; exit 7" TERM; echo hello; while :; do sleep 0.05; done')
    await until('it has spoken', () => logOf(first.container).includes('hello'))
    await first.runtime.close()
    const { runtime, container } = await first.again()
    expect(container.status).toBe('running')
    expect(await runtime.execSyncContainer(container, ['/bin/true'], 60)).toMatchObject({ exitCode: 0 })
    await runtime.stopContainer(container, 60)
    expect(container.state.exit).toMatchObject({ kind: 'code', code: 7 })
    expect(logOf(container)).toContain('bye')
    await runtime.deleteContainer(container)
    expect(first.traces()).toEqual([])
  })

  it('has the exit, and the last words, of a container that ended meanwhile', async () => {
    const first = await open('echo hello; while [ ! -e /go ]; do sleep 0.05; done; echo last words; exit 9')
    await until('it has spoken', () => logOf(first.container).includes('hello'))
    const init = readIdentitySync(first.container.state.pid)
    const later = ['/bin/sh', '-c', '(sleep 1; touch /go) > /dev/null 2>&1 &']
    await first.runtime.execSyncContainer(first.container, later, 60)
    await first.runtime.close()
    if (init !== undefined) await until('it has ended', async () => (await observeProcess(init)) === 'gone')
    const { runtime, container } = await first.again()
    expect(await runtime.waitContainer(container)).toMatchObject({ kind: 'code', code: 9 })
    expect(logOf(container)).toContain('last words')
    await runtime.deleteContainer(container)
    expect(first.traces()).toEqual([])
  })

  it('ends the commands that a killed supervisor has left, with what they started, and no other', async () => {
    const root = makeTempRoot()
    const id = makeContainerId('vm')
    const mark = makeContainerId('mark')
    const bundlePath = join(root, id)
    mkdirSync(bundlePath, { mode: 0o700 })
    const args = ['/bin/sh', '-c', `while :; do sleep 0.05; done`]
    await writeBundle(bundlePath, defaultSpec({ rootfs: makeRootfs(root), args, cgroupsPath: `/${id}` }))
    const program = new URL('vm-exec-embedder.ts', import.meta.url).pathname
    const supervisor = spawn(process.execPath, [program, root, bundlePath, id, mark], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(supervisor.stdout, 'data')
    expect(processesNaming(`: ${mark}`).length).toBeGreaterThanOrEqual(2)
    supervisor.kill('SIGKILL')
    await once(supervisor, 'exit')

    const config = vmConfig(root)
    const runtime = await Runtime.open(config)
    onTestFinished(() => runtime.close())
    expect(processesNaming(`: ${mark}`)).toEqual([])
    const homes = join(config.runDir, 'vm/exec')
    expect(
      existsSync(homes) ? readdirSync(homes).filter((name) => !name.startsWith(`${process.pid}-`)) : [],
    ).toEqual([])
    const container = runtime.containers.get(id)
    if (container === undefined) throw new Error('it was not taken up')
    expect(readdirSync(bundlePath).filter((name) => name.endsWith('.pid'))).toEqual(['init.pid'])
    expect(await runtime.execSyncContainer(container, ['/bin/true'], 60)).toMatchObject({ exitCode: 0 })
    await runtime.deleteContainer(container)
    const place = { runDir: config.runDir, runtimeRoot: config.runtimes['shim']?.runtimeRoot ?? '' }
    expect(vmTraces(place, container)).toEqual([])
  })

  it('does not know the exit of a container whose shim was killed meanwhile, and removes it', async () => {
    const first = await open('while :; do sleep 0.05; done')
    const shim = readIdentitySync(shimOf(first.container).pid)
    await first.runtime.close()
    if (shim !== undefined) killProcess(shim, SIGKILL)
    const { runtime, container } = await first.again()
    await runtime.stopContainer(container, 0)
    expect(container.state.exit).toMatchObject({ kind: 'unknown' })
    await runtime.deleteContainer(container)
    expect(first.traces()).toEqual([])
  })
})
