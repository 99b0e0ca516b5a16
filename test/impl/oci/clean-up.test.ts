import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { defineConfig } from '../../../src/config/define-config.ts'
import { Container } from '../../../src/container.ts'
import { createRuntimeOci } from '../../../src/impl/oci/runtime-oci.ts'
import { readIdentitySync } from '../../../src/impl/process-identity.ts'
import { silentLogger } from '../../../src/surroundings/logger.ts'
import { makeTempRoot } from '../../support/temp-root.ts'
import { noExits } from './no-exits.ts'

const effect = { signal: new AbortController().signal }

/** What a monitor does until it is told of the end of its container, and then for half a second and more. */
const untilItsEnd = 'echo ready; read _; n=0; while [ $n -lt 250000 ]; do n=$((n+1)); done'

interface Staging {
  readonly script?: string
  /** The runtime has done its part. */
  readonly created?: boolean
  /** The monitor has had its start byte. */
  readonly started?: boolean
}

/** A process with the arguments of the monitor of `id`, and what is left of it whenever the runtime is run. */
async function world(id: string, { script = untilItsEnd, created = false, started = true }: Staging = {}) {
  const root = makeTempRoot()
  const bundlePath = `${root}/b`
  mkdirSync(bundlePath)
  const monitor = spawn('sh', ['-c', script, 'conmon', '-b', bundlePath, '-c', id], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  })
  onTestFinished(() => void monitor.kill('SIGKILL'))
  await once(monitor.stdout, 'data')
  if (started) writeFileSync(`${bundlePath}/conmon-pidfile`, String(monitor.pid))
  if (created) writeFileSync(`${bundlePath}/pidfile`, '4242')
  const atDelete: boolean[] = []
  const run = () => {
    atDelete.push(isAlive(monitor))
    // The container is dead: its monitor ends by itself.
    monitor.stdin.end()
    const end = { exitCode: 0, signal: undefined, timedOut: false, stdout: '', stdoutTruncated: false }
    return Promise.resolve({ ...end, stderrTail: '' })
  }
  const config = defineConfig({
    defaultRuntime: 'crun',
    runtimes: { crun: { runtimePath: '/crun' } },
    runDir: root,
  })
  const launcher = {
    run,
    spawnMonitor: () => Promise.reject(new Error('not asked for')),
    attend: () => Promise.reject(new Error('not asked for')),
  }
  const asked: string[] = []
  const ask = (what: string) => () => {
    asked.push(what)
    return Promise.resolve()
  }
  const exits = { ...noExits(), scan: ask('scan'), discard: ask('discard') }
  const impl = createRuntimeOci({ config, launcher, exits, logger: silentLogger })
  const container = new Container({ id: 'c1', bundlePath })
  impl.adopt?.(container, { handler: 'crun', runtimeRoot: `${root}/runtime`, wasCreated: id === 'c1' })
  return { monitor, atDelete, asked, impl, container }
}

function isAlive({ pid }: ChildProcess): boolean {
  return pid !== undefined && readIdentitySync(pid) !== undefined
}

async function endOf(monitor: ChildProcess): Promise<{ signal: string | null }> {
  if (monitor.exitCode === null && monitor.signalCode === null) await once(monitor, 'exit')
  return { signal: monitor.signalCode }
}

describe('cleaning up', () => {
  it('ends what a monitor runs before it deletes, so that nothing is created afterwards; the monitor ends by itself', async () => {
    const { impl, container, monitor, atDelete } = await world('c1', {
      script: 'echo ready; sleep 1000; true',
    })
    await impl.cleanUp(container, effect)
    expect(atDelete).toEqual([false])
    expect(await endOf(monitor)).toEqual({ signal: null })
  })

  it('kills a monitor that waits for its start byte before it deletes', async () => {
    const { impl, container, monitor, atDelete } = await world('c1', { started: false })
    await impl.cleanUp(container, effect)
    expect(atDelete).toEqual([false])
    expect(await endOf(monitor)).toEqual({ signal: 'SIGKILL' })
  })

  it('lets a monitor end that has given its create up, however busy the host is', async () => {
    const { impl, container, monitor } = await world('c1')
    monitor.stdin.end()
    await impl.cleanUp(container, effect)
    expect(await endOf(monitor)).toEqual({ signal: null })
  })

  it('lets the monitor of a created container see its end and report it, and has that looked at before it is void', async () => {
    const { impl, container, monitor, atDelete, asked } = await world('c1', { created: true })
    await impl.cleanUp(container, effect)
    expect(atDelete).toEqual([true])
    // By itself, not by a signal.
    expect(await endOf(monitor)).toEqual({ signal: null })
    expect(asked).toEqual(['scan', 'discard'])
  })

  it('leaves alone what is of another container, and the runtime when nothing is of this one', async () => {
    const { impl, container, monitor, atDelete } = await world('c2')
    await impl.cleanUp(container, effect)
    await impl.delete(container, effect)
    expect(atDelete).toEqual([])
    expect(isAlive(monitor)).toBe(true)
  })

  it('removes the half-written notes of a supervisor that was killed, whether there is more to remove or not', async () => {
    for (const id of ['c1', 'c2']) {
      const { impl, container } = await world(id)
      writeFileSync(`${container.dir}/.runtime-oci.json.0123456789abcdef.tmp`, '{')
      await impl.cleanUp(container, effect)
      expect(readdirSync(container.dir).filter((name) => name.includes('runtime-oci'))).toEqual([])
    }
  })

  it('stops when nobody waits for it any more', async () => {
    const { impl, container, atDelete } = await world('c1', { created: true })
    await expect(impl.cleanUp(container, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    })
    expect(atDelete).toEqual([])
  })
})
