/** A supervisor is killed with containers in every place of their lives; another one takes them up. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle, type Config } from '../../src/index.ts'
import { killProcess, readIdentitySync } from '../../src/impl/process-identity.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import { codeOf, runtimePrograms, signalFromOutside, watchEvents, type RuntimeName } from './facade-host.ts'
import { processesNaming, until } from './oci-host.ts'
import { patience } from '../support/patience.ts'

const SIGKILL = 9
const handlers: readonly RuntimeName[] = ['crun', 'runc']

interface Fallen {
  readonly root: string
  readonly config: Config
  readonly prefix: string
  readonly pids: Readonly<Record<string, number>>
  readonly requestedAtMs: number
  /** The next supervisor, closed with all its containers when the test is over. */
  readonly boot: () => Promise<Runtime>
  readonly get: (runtime: Runtime, name: string) => Container
}

/** A supervisor that was killed. */
async function fallenSupervisor(handler: RuntimeName): Promise<Fallen & { supervisor: ChildProcess }> {
  const root = makeTempRoot()
  makeRootfs(root)
  const prefix = `${makeContainerId('r')}-`
  const program = new URL('recovery-embedder.ts', import.meta.url).pathname
  const supervisor = spawn(process.execPath, [program, root, handler, runtimePrograms[handler], prefix], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(supervisor.stdout, 'data')
  const told = z
    .object({ pids: z.record(z.string(), z.number()), requestedAtMs: z.number() })
    .parse(JSON.parse(readFileSync(join(root, 'pids.json'), 'utf8')))
  const config = defineConfig({
    defaultRuntime: handler,
    runtimes: { [handler]: { runtimePath: runtimePrograms[handler] } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  })
  return {
    root,
    config,
    prefix,
    ...told,
    supervisor,
    boot: async () => {
      const runtime = await Runtime.open(config)
      onTestFinished(async () => {
        await Promise.allSettled(runtime.containers.list().map((left) => runtime.deleteContainer(left)))
        await runtime.close()
      })
      return runtime
    },
    get: (runtime, name) => {
      const container = runtime.containers.get(`${prefix}${name}`)
      if (container === undefined) throw new Error(`there is no container ${name}`)
      return container
    },
  }
}

async function kill(supervisor: ChildProcess): Promise<void> {
  supervisor.kill('SIGKILL')
  await once(supervisor, 'exit')
}

describe.each(handlers)('containers of a killed supervisor, on %s,', (handler) => {
  it(
    'are as they were or as the world says, stops go on, and every verb works',
    { timeout: patience(240_000) },
    async () => {
      const fallen = await fallenSupervisor(handler)
      const { root, prefix, pids, get } = fallen
      expect(await codeOf(Runtime.open(fallen.config))).toBe('ERR_STATE_DIR_LOCKED')
      const execs = readdirSync(join(root, 'run', 'exec'))
      expect(execs).toHaveLength(1)
      await kill(fallen.supervisor)
      writeFileSync(join(root, 'rootfs', `gone-${prefix}`), '')
      const exitFile = join(fallen.config.containerExitsDir, `${prefix}ends`)
      await until('the container that ends has ended', () => existsSync(exitFile))
      writeFileSync(`${fallen.config.containerExitsDir}/${prefix}stopped.A1b2C3`, '')
      writeFileSync(`${fallen.config.containerExitsDir}/stranger.A1b2C3`, '')

      const runtime = await fallen.boot()
      const report = runtime.recovered
      expect(report).toMatchObject({ removed: [], quarantined: [], unresolved: [] })
      expect(report?.exited).toMatchObject([{ id: `${prefix}ends`, exit: { kind: 'code', code: 9 } }])
      const phases = Object.fromEntries(
        (report?.adopted ?? []).map(({ id, phase }) => [id.slice(prefix.length), phase]),
      )
      expect(phases).toEqual({
        created: 'created',
        running: 'running',
        paused: 'paused',
        stopped: 'stopped',
        stopping: 'stopping.grace',
        execing: 'running',
      })
      for (const name of ['created', 'running', 'paused', 'stopping', 'execing']) {
        expect(get(runtime, name).state.pid).toBe(pids[name])
      }
      expect(get(runtime, 'stopped').state.exitCode).toBe(5)
      expect(get(runtime, 'running').labels).toEqual({ place: 'running' })
      // Nobody listens to the command any more, nobody needs what was left.
      expect(processesNaming(`${root}/run/exec`)).toEqual([])
      expect(readdirSync(join(root, 'run', 'exec'))).toEqual([])
      expect(readdirSync(fallen.config.containerExitsDir)).toEqual(['stranger.A1b2C3'])

      const stopping = get(runtime, 'stopping')
      expect(await runtime.waitContainer(stopping)).toMatchObject({ kind: 'code', code: 137 })
      const tookMs = Date.now() - fallen.requestedAtMs
      expect(tookMs).toBeGreaterThanOrEqual(patience(20_000))

      await runtime.startContainer(get(runtime, 'created'))
      await runtime.unpauseContainer(get(runtime, 'paused'))
      expect(await runtime.execSyncContainer(get(runtime, 'running'), ['/bin/echo', 'hi'], 60)).toMatchObject(
        {
          exitCode: 0,
        },
      )
      await runtime.stopContainer(get(runtime, 'running'), 60)
      expect(get(runtime, 'running').state.exitCode).toBe(7)
      for (const container of runtime.containers.list()) await runtime.deleteContainer(container)
      expect(readdirSync(join(root, 'state', 'index'))).toEqual([])
      for (const name of Object.keys(pids)) {
        expect(existsSync(join(root, 'run', 'runtimes', handler, `${prefix}${name}`))).toBe(false)
      }
      // The ids are free.
      const bundlePath = join(root, 'again')
      await writeBundle(bundlePath, defaultSpec({ rootfs: join(root, 'rootfs'), args: ['/bin/true'] }))
      const again = new Container({ id: `${prefix}running`, bundlePath })
      await runtime.createContainer(again)
      await runtime.startContainer(again)
      expect(await runtime.waitContainer(again)).toMatchObject({ code: 0 })
    },
  )

  it('have monitors whose end is told by what they hold open', { timeout: patience(240_000) }, async () => {
    const fallen = await fallenSupervisor(handler)
    const { root, prefix, get } = fallen
    await kill(fallen.supervisor)
    const runtime = await fallen.boot()
    const place = join(root, 'run', 'sync', prefix)
    const watched = readdirSync('/proc/self/fd')
      .map((fd) => linkOf(`/proc/self/fd/${fd}`))
      .filter((path) => path.startsWith(place))
      .map((path) => path.slice(place.length))
    expect(watched).toEqual(expect.arrayContaining(['created', 'running', 'paused', 'execing']))
    const running = get(runtime, 'running')
    const events = watchEvents(runtime)
    signalFromOutside(Number(readFileSync(join(root, running.id, 'conmon-pidfile'), 'utf8')), SIGKILL)
    await until('it is told of', () => events.of(running).includes('monitorLost'))
    expect(running.phase).toBe('running')
  })

  it(
    'whose launcher and monitors died with it still end as they should',
    { timeout: patience(240_000) },
    async () => {
      const fallen = await fallenSupervisor(handler)
      const { root, prefix, get, pids } = fallen
      const launcher = processesNaming('launcher/main.ts').find((line) =>
        isChildOf(line, fallen.supervisor.pid),
      )
      await kill(fallen.supervisor)
      if (launcher !== undefined) killIfThere(Number(launcher.split(' ')[0]))
      for (const name of ['created', 'running']) {
        const monitor = Number(readFileSync(join(root, `${prefix}${name}`, 'conmon-pidfile'), 'utf8'))
        signalFromOutside(monitor, SIGKILL)
        await until('the monitor is dead', () => readIdentitySync(monitor) === undefined)
      }
      // The place for exits is gone when the process ends: the monitor notices nothing, and keeps a copy.
      rmSync(fallen.config.containerExitsDir, { recursive: true })
      writeFileSync(join(root, 'rootfs', `gone-${prefix}`), '')
      await until('the process has ended', () => readIdentitySync(pids['ends'] ?? 0) === undefined)
      mkdirSync(fallen.config.containerExitsDir, { mode: 0o700, recursive: true })

      const runtime = await fallen.boot()
      expect(runtime.recovered?.removed).toMatchObject([{ id: `${prefix}created` }])
      expect(runtime.recovered?.exited).toMatchObject([
        { id: `${prefix}ends`, exit: { kind: 'code', code: 9 } },
      ])
      expect(existsSync(join(root, 'run', 'runtimes', handler, `${prefix}created`))).toBe(false)
      expect(processesNaming(`${root}/run/exec`)).toEqual([])
      const running = get(runtime, 'running')
      expect(running.phase).toBe('running')
      signalFromOutside(running.state.pid, SIGKILL)
      expect(await runtime.waitContainer(running)).toMatchObject({ kind: 'unknown', why: 'monitor-lost' })
      await runtime.deleteContainer(running)
    },
  )
})

/** Empty for the descriptor that listed the others. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function isChildOf(line: string, pid: number | undefined): boolean {
  try {
    const stat = readFileSync(`/proc/${line.split(' ')[0]}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid
  } catch {
    return false
  }
}

function killIfThere(pid: number): void {
  const identity = readIdentitySync(pid)
  if (identity !== undefined) killProcess(identity, SIGKILL)
}
