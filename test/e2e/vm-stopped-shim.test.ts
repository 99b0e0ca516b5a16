/** A shim that is stopped (SIGSTOP), not dead: every verb is answered within its limit, and whatever it holds can be ended. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Container, defaultSpec, isOciError, Runtime, writeBundle } from '../../src/index.ts'
import { killProcess, readIdentitySync } from '../../src/impl/process-identity.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import { shimOf, vmConfig, vmTraces } from './vm-host.ts'

const SIGSTOP = 19
const SIGCONT = 18
/** A stopped shim reports nothing: by default a minute and half a minute are given to one that may only be slow. */
const limits = {
  exitFileWaitMs: 5000,
  pauseTimeoutMs: 10_000,
  resumeTimeoutMs: 10_000,
  observeTimeoutMs: 10_000,
}
const root = makeTempRoot()
const config = vmConfig(root)
const place = { runDir: config.runDir, runtimeRoot: config.runtimes['shim']?.runtimeRoot ?? '' }
let rootfs = ''
let runtime: Runtime
/** A start has a minute: it is begun before the other tests. */
let neverStarted: Container
let startOutcome: Promise<string>

async function created(): Promise<Container> {
  const id = makeContainerId('mute')
  const bundlePath = join(root, id)
  mkdirSync(bundlePath, { mode: 0o700 })
  await writeBundle(bundlePath, defaultSpec({ rootfs, args: ['/bin/sleep', '1000'], cgroupsPath: `/${id}` }))
  const container = new Container({ id, bundlePath, dir: join(root, `${id}-dir`) })
  await runtime.createContainer(container)
  return container
}

async function running(): Promise<Container> {
  const container = await created()
  await runtime.startContainer(container)
  return container
}

beforeAll(async () => {
  rootfs = makeRootfs(root)
  runtime = await Runtime.open(config, { limits })
  neverStarted = await created()
  signalShim(neverStarted, SIGSTOP)
  startOutcome = codeOf(runtime.startContainer(neverStarted))
})
afterAll(async () => {
  await Promise.allSettled(runtime.containers.list().map((left) => runtime.deleteContainer(left)))
  await runtime.close()
})

function signalShim(container: Container, signal: number): void {
  const identity = readIdentitySync(shimOf(container).pid)
  if (identity !== undefined) killProcess(identity, signal)
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return isOciError(error) ? error.code : String(error)
}

/** Deletes it while its shim is stopped. */
async function deleted(container: Container): Promise<void> {
  await runtime.deleteContainer(container)
  expect(vmTraces(place, container)).toEqual([])
}

describe('a shim that is stopped', () => {
  it('has each verb answered with ERR_TIMEOUT, and its container is deleted', async () => {
    const verbs: Readonly<Record<string, (container: Container) => Promise<unknown>>> = {
      signal: (container) => runtime.signalContainer(container, 'SIGWINCH'),
      pause: (container) => runtime.pauseContainer(container),
      update: (container) => runtime.updateContainer(container, { pids: { limit: 50 } }),
      stats: (container) => runtime.containerStats(container),
      startExec: (container) => runtime.startExec(container, ['/bin/true']),
    }
    // Each has a shim of its own, and none waits for another.
    const outcomes = Object.entries(verbs).map(async ([name, call]) => {
      const container = await running()
      signalShim(container, SIGSTOP)
      const code = await codeOf(call(container))
      await runtime.deleteContainer(container)
      return [name, code, vmTraces(place, container)]
    })
    expect(await Promise.all(outcomes)).toEqual(Object.keys(verbs).map((name) => [name, 'ERR_TIMEOUT', []]))
  })

  it('keeps no command waiting beyond its time, or an abort', async () => {
    const container = await running()
    signalShim(container, SIGSTOP)
    expect(await runtime.execSyncContainer(container, ['/bin/true'], 0.2)).toMatchObject({
      exitCode: -1,
      timedOut: true,
    })
    const abort = new AbortController()
    const waits = [
      runtime.execSyncContainer(container, ['/bin/true'], 600, { signal: abort.signal }),
      runtime.startExec(container, ['/bin/true'], { signal: abort.signal }),
      runtime.execContainer(container, ['/bin/true'], { signal: abort.signal }),
    ].map((wait) => codeOf(wait))
    abort.abort()
    expect(await Promise.all(waits)).toEqual(['ERR_ABORTED', 'ERR_ABORTED', 'ERR_ABORTED'])
    // What was begun all the same ends once the shim goes on.
    signalShim(container, SIGCONT)
    await expect
      .poll(() => runtime.execSyncContainer(container, ['/bin/true'], 20), { timeout: 60_000 })
      .toMatchObject({ exitCode: 0 })
    await deleted(container)
  })

  it('lets a running command be killed, whose end is then unknown', async () => {
    const container = await running()
    const exec = await runtime.startExec(container, ['/bin/sleep', '1000'])
    signalShim(container, SIGSTOP)
    expect(await exec.kill(9)).toBe(true)
    expect(await exec.exited).toEqual({ kind: 'unknown', why: 'monitor-lost' })
    expect(readIdentitySync(exec.pid)).toBeUndefined()
    await deleted(container)
  })

  it('lets its container be thawed, stopped and deleted', async () => {
    const container = await running()
    await runtime.pauseContainer(container)
    signalShim(container, SIGSTOP)
    await runtime.unpauseContainer(container)
    expect(container.status).toBe('running')
    await runtime.stopContainer(container, 0)
    expect(container.state.exit).toMatchObject({ kind: 'unknown' })
    await deleted(container)
  })

  it('has start answered with ERR_TIMEOUT, and what was created is cleaned up', async () => {
    expect(await startOutcome).toBe('ERR_TIMEOUT')
    await deleted(neverStarted)
  })

  it('holds up neither close nor the next supervisor, which ends its container', async () => {
    const container = await running()
    signalShim(container, SIGSTOP)
    await runtime.close()
    runtime = await Runtime.open(config, { limits })
    const taken = runtime.containers.get(container.id)
    if (taken === undefined) throw new Error('it was not taken up')
    expect(taken.status).toBe('running')
    await deleted(taken)
  })
})
