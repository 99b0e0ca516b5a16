/** A shim is killed while it is asked for each thing there is: one exit, nothing left, and nobody else is the worse for it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Container, defaultSpec, isOciError, Runtime, writeBundle } from '../../src/index.ts'
import { killProcess, readIdentitySync } from '../../src/impl/process-identity.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import { processesNaming, until } from './oci-host.ts'
import { shimOf, vmConfig, vmTraces } from './vm-host.ts'

const SIGKILL = 9
const root = makeTempRoot()
const config = vmConfig(root)
const place = { runDir: config.runDir, runtimeRoot: config.runtimes['shim']?.runtimeRoot ?? '' }
let rootfs = ''
let runtime: Runtime
let bystander: Container
/** Ids of containers that outlive their shims. */
const kept = new Set<string>()

async function describeContainer(args = ['/bin/sleep', '1000']): Promise<Container> {
  const id = makeContainerId('lost')
  const bundlePath = join(root, id)
  mkdirSync(bundlePath, { mode: 0o700 })
  await writeBundle(bundlePath, defaultSpec({ rootfs, args, cgroupsPath: `/${id}` }))
  return new Container({ id, bundlePath, dir: join(root, `${id}-dir`) })
}

async function running(): Promise<Container> {
  const container = await describeContainer()
  await runtime.createContainer(container)
  await runtime.startContainer(container)
  return container
}

beforeAll(async () => {
  rootfs = makeRootfs(root)
  runtime = await Runtime.open(config, { onMonitorLost: ({ id }) => (kept.has(id) ? 'keep' : 'kill') })
  bystander = await running()
})
afterAll(async () => {
  await Promise.allSettled(runtime.containers.list().map((left) => runtime.deleteContainer(left)))
  await runtime.close()
})

function killShim(container: Container): void {
  const identity = readIdentitySync(shimOf(container).pid)
  if (identity !== undefined) killProcess(identity, SIGKILL)
}

/** Counts what is told of one container. */
function countEvents(container: Container): {
  readonly counts: Map<string, number>
  readonly stop: () => void
} {
  const counts = new Map<string, number>()
  const subscription = runtime.events$.subscribe((event) => {
    if (event.type !== 'dropped' && event.containerId === container.id)
      counts.set(event.type, (counts.get(event.type) ?? 0) + 1)
  })
  return { counts, stop: () => subscription.unsubscribe() }
}

async function outcomeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt
    return 'done'
  } catch (error) {
    if (isOciError(error)) return error.code
    throw error
  }
}

/** What is under way when the shim is killed; what it returns at once is not awaited before. */
type Call = (container: Container) => Promise<unknown>

const nothing: Call = () => Promise.resolve()

/** Before those that need it. */
const preparations: Readonly<Record<string, Call>> = {
  Resume: (container) => runtime.pauseContainer(container),
}

const calls: Readonly<Record<string, Call>> = {
  State: (container) => runtime.updateContainerStatus(container),
  Kill: (container) => runtime.signalContainer(container, 'SIGUSR1'),
  'Kill 9': (container) => runtime.stopContainer(container, 0),
  Pause: (container) => runtime.pauseContainer(container),
  Resume: (container) => runtime.unpauseContainer(container),
  CloseIO: async (container) => {
    const { stdin, exited } = await runtime.startExec(container, ['/bin/cat'], { stdin: 'pipe' })
    stdin?.end('words')
    return exited
  },
  Update: (container) => runtime.updateContainer(container, { pids: { limit: 50 } }),
  Stats: (container) => runtime.containerStats(container),
  Exec: (container) => runtime.execSyncContainer(container, ['/bin/sleep', '0.1'], 60),
}

describe('a shim that is killed', () => {
  for (const [name, call] of Object.entries(calls)) {
    for (const afterMs of [0, 5]) {
      it(`${afterMs} ms into ${name} leaves one unknown or real exit, and nothing else`, async () => {
        const container = await running()
        await (preparations[name] ?? nothing)(container)
        const { counts, stop } = countEvents(container)
        const outcome = outcomeOf(call(container))
        if (afterMs > 0) await new Promise((resolve) => setTimeout(resolve, afterMs))
        killShim(container)
        // Settled, in whatever way: nobody waits for ever.
        expect(await outcome).toMatch(/^(?:done|ERR_\w+)$/)
        const exit = await runtime.waitContainer(container)
        expect(exit.kind === 'code' || exit.why === 'monitor-lost').toBe(true)
        await runtime.deleteContainer(container)
        await until('it was told of', () => counts.get('deleted') === 1)
        stop()
        expect([counts.get('exited'), counts.get('deleted')]).toEqual([1, 1])
        expect(vmTraces(place, container)).toEqual([])
      })
    }
  }

  it('while it creates leaves no container and no process', async () => {
    for (const afterMs of [0, 10, 30]) {
      const container = await describeContainer()
      const creating = outcomeOf(runtime.createContainer(container))
      await until('there is a shim', () => processesNaming(`-id ${container.id}`).length > 0)
      await new Promise((resolve) => setTimeout(resolve, afterMs))
      for (const line of processesNaming(`-id ${container.id}`)) {
        const identity = readIdentitySync(Number(line.split(' ')[0]))
        if (identity !== undefined) killProcess(identity, SIGKILL)
      }
      await creating
      await runtime.deleteContainer(container)
      expect(vmTraces(place, container)).toEqual([])
    }
  })

  it('while it starts or deletes leaves nothing', async () => {
    const starting = await describeContainer()
    await runtime.createContainer(starting)
    const start = outcomeOf(runtime.startContainer(starting))
    killShim(starting)
    expect(await start).toMatch(/^(?:done|ERR_\w+)$/)
    await runtime.deleteContainer(starting)
    expect(vmTraces(place, starting)).toEqual([])

    const deleting = await running()
    await runtime.stopContainer(deleting, 0)
    const deletion = runtime.deleteContainer(deleting)
    killShim(deleting)
    await deletion
    expect(vmTraces(place, deleting)).toEqual([])
  })

  it('leaves a container that is to be kept: it runs on, is signalled, paused and stopped, and its exit is unknown', async () => {
    const container = await describeContainer([
      '/bin/sh',
      '-c',
      'trap "exit 3" TERM; while :; do sleep 0.05; done',
    ])
    kept.add(container.id)
    await runtime.createContainer(container)
    await runtime.startContainer(container)
    const { counts, stop } = countEvents(container)
    const command = await runtime.startExec(container, ['/bin/sleep', '1000'])
    killShim(container)
    await until('it is told of', () => counts.get('monitorLost') === 1)
    expect(await command.exited).toEqual({ kind: 'unknown', why: 'monitor-lost' })
    await until('the command is dead', () => readIdentitySync(command.pid) === undefined)
    await runtime.updateContainerStatus(container)
    expect([container.status, readIdentitySync(container.state.pid)?.pid]).toEqual([
      'running',
      container.state.pid,
    ])
    expect(await outcomeOf(runtime.execSyncContainer(container, ['/bin/true'], 60))).toBe('ERR_MONITOR_LOST')
    await runtime.pauseContainer(container)
    await runtime.unpauseContainer(container)
    await runtime.signalContainer(container, 'SIGTERM')
    expect(await runtime.waitContainer(container)).toMatchObject({ kind: 'unknown', why: 'monitor-lost' })
    await runtime.deleteContainer(container)
    stop()
    expect([counts.get('exited'), vmTraces(place, container)]).toEqual([1, []])
  })

  it('has done no harm to a container beside it', async () => {
    expect(bystander.status).toBe('running')
    expect(await runtime.execSyncContainer(bystander, ['/bin/true'], 60)).toMatchObject({ exitCode: 0 })
    await runtime.deleteContainer(bystander)
    expect(vmTraces(place, bystander)).toEqual([])
  })
})
