/** Creates that were cut off, go on behind the back of a clean-up, or lost what would have named them. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, rmdirSync, writeFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { OciSpec } from '../../src/bundle/oci-spec.ts'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle } from '../../src/index.ts'
import { conmonCreateArguments, monitorEnvironment } from '../../src/impl/oci/conmon-arguments.ts'
import { containerPaths } from '../../src/impl/oci/paths.ts'
import { killProcess, readIdentity } from '../../src/impl/process-identity.ts'
import { allCgroupRoots, allCgroups } from '../support/cgroups.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import {
  createEffect,
  effect,
  noAbort,
  openHost,
  processesNaming,
  programs,
  runtimeNames,
  traces,
  until,
  type OciHost,
  type RuntimeName,
} from './oci-host.ts'

const KILL = 9

/** A host whose runtime is a script: `$real` is the real one, `$verb` what is asked of it, `$stage` a directory. */
async function openStagedHost(runtime: RuntimeName, script: string) {
  const stage = makeTempRoot()
  const runtimePath = `${stage}/runtime`
  const text = `#!/bin/sh
real=${programs[runtime]}
stage=${stage}
for word in "$@"; do
  case $word in create|state|start|kill|delete) verb=$word; break;; esac
done
${script}
exec "$real" "$@"
`
  writeFileSync(runtimePath, text, { mode: 0o755 })
  const host = await openHost(runtime, { runtimePath })
  return {
    host,
    runtimePath,
    mark: (name: string) => writeFileSync(`${stage}/${name}`, ''),
    marked: (name: string) => until(name, () => existsSync(`${stage}/${name}`)),
  }
}

const waitFor = (mark: string): string => `while [ ! -e $stage/${mark} ]; do sleep 0.01; done`

/** As the launcher starts it, and then forgotten by whoever did so. */
function startMonitor(host: OciHost, container: Container, runtimePath: string): ChildProcess {
  const { config } = host
  const runtimeRoot = `${config.runDir}/runtimes/${config.defaultRuntime}`
  const [program, ...args] = conmonCreateArguments(
    container,
    containerPaths(container, config, runtimeRoot),
    {
      monitorPath: '/usr/bin/conmon',
      runtimePath,
      runtimeRoot,
      containerExitsDir: config.containerExitsDir,
      containerAttachSocketDir: config.containerAttachSocketDir,
      logSizeMaxBytes: -1,
      logToJournald: false,
      noPivot: false,
      systemdCgroup: false,
    },
  )
  const child = spawn(program, args, {
    cwd: container.bundlePath,
    env: monitorEnvironment({ PATH: process.env['PATH'] ?? '' }, container),
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    detached: true,
  })
  onTestFinished(() => {
    for (const stream of child.stdio) stream?.destroy()
  })
  return child
}

function pidIn(file: string): number {
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
}

async function killByPid(pid: number): Promise<void> {
  const identity = await readIdentity(pid)
  if (identity !== undefined) killProcess(identity, KILL)
}

describe.each(runtimeNames)('clean-up on conmon and %s', (runtime) => {
  it.each(['has come to its end', 'waits for its start byte'])(
    'undoes a create that %s while the runtime was deleting',
    async (how) => {
      const { host, mark, marked, runtimePath } = await openStagedHost(
        runtime,
        `if [ "$verb" = delete ] && [ ! -e $stage/deleted ]; then
          "$real" "$@"; code=$?; : >$stage/deleted; ${waitFor('go')}; exit $code
        fi`,
      )
      const container = await host.container(['/bin/sleep', '1000'])
      await host.impl.create(container, createEffect)
      const cleaned = host.impl.cleanUp(container, effect)
      await marked('deleted')
      const pidFile = `${container.bundlePath}/pidfile`
      rmSync(pidFile, { force: true })
      const late = startMonitor(host, container, runtimePath)
      const exit = once(late, 'exit')
      if (how === 'has come to its end') {
        // For conmon the end of the pipe is "go".
        late.stdio[4]?.destroy()
        await until('it is created', () => pidIn(pidFile) > 0)
      }
      mark('go')
      await cleaned
      late.stdio[4]?.destroy()
      await exit
      expect(traces(host, container)).toEqual([])
    },
  )

  it('ends a runtime whose monitor was killed, and of which no note tells', async () => {
    const { host, mark, marked } = await openStagedHost(
      runtime,
      `if [ "$verb" = create ]; then
        : >$stage/creating; (${waitFor('go')}; exec "$real" "$@") & wait $!; exit
      fi`,
    )
    const container = await host.container(['/bin/sleep', '1000'])
    const created = host.impl.create(container, createEffect).catch((error: unknown) => error)
    await marked('creating')
    await killByPid(pidIn(`${container.bundlePath}/conmon-pidfile`))
    await created
    rmSync(`${container.dir}/runtime-oci.json`)
    const next = host.restarted()
    const runtimeRoot = `${host.config.runDir}/runtimes/${runtime}`
    next.adopt?.(container, { handler: runtime, runtimeRoot, wasCreated: true })
    await next.cleanUp(container, effect)
    expect(processesNaming(container.bundlePath)).toEqual([])
    mark('go')
    await host.impl.cleanUp(container, effect)
    expect(traces(host, container)).toEqual([])
  })

  it('kills an init that its runtime has forgotten', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/sleep', '1000'])
    const { init, monitor } = await host.impl.create(container, createEffect)
    // As a create that was killed on its way leaves them: an init, and neither a monitor nor a state of the runtime.
    await killByPid(monitor?.pid ?? 0)
    rmSync(`${host.config.runDir}/runtimes/${runtime}/${container.id}`, { recursive: true })
    await host.impl.cleanUp(container, effect)
    expect(await readIdentity(init.pid)).toBeUndefined()
    expect(traces(host, container)).toEqual([])
  })

  it('removes the socket on which conmon waited for a terminal', async () => {
    const { host, marked } = await openStagedHost(
      runtime,
      `if [ "$verb" = create ]; then : >$stage/creating; ${waitFor('go')}; fi`,
    )
    const container = await host.container(['/bin/sleep', '1000'], {
      change: ({ process: spec }) => {
        if (spec !== undefined) spec.terminal = true
      },
      container: { terminal: true },
    })
    const sockets = (): string[] =>
      readdirSync(container.bundlePath).filter((name) => name.startsWith('conmon-term'))
    const abort = new AbortController()
    const created = host.impl
      .create(container, { signal: abort.signal, cgroupParent: undefined })
      .catch((error: unknown) => error)
    await marked('creating')
    expect(sockets()).toHaveLength(1)
    abort.abort()
    await created
    await host.impl.cleanUp(container, effect)
    expect(sockets()).toEqual([])
    expect(traces(host, container)).toEqual([])
  })

  it('gives a container a terminal whatever the length of its bundle’s path', async () => {
    const host = await openHost(runtime)
    const id = makeContainerId('long'.repeat(20))
    const container = await host.container(['/bin/sh', '-c', 'stty -a'], {
      change: (spec) => {
        if (spec.process !== undefined) spec.process.terminal = true
      },
      container: { terminal: true, name: id },
      bundleName: `${'d'.repeat(100)}/${id}`,
    })
    await host.impl.create(container, createEffect)
    const exit = host.exit(container)
    await host.impl.start(container, effect)
    expect(await exit).toMatchObject({ code: 0 })
    await host.impl.delete(container, effect)
    expect(traces(host, container)).toEqual([])
  })
})

function noPath(spec: OciSpec): void {
  delete spec.linux?.cgroupsPath
}
const atPath = (path: string) => (spec: OciSpec) => {
  if (spec.linux !== undefined) spec.linux.cgroupsPath = path
}
/** crun refuses this limit when it has made the groups. */
function refused(spec: OciSpec): void {
  if (spec.linux !== undefined) spec.linux.resources = { ...spec.linux.resources, pids: { limit: -1 } }
}
/** Those of all hierarchies that name one of these. */
const groupsOf = (...names: string[]): string[] =>
  allCgroups().filter((group) => names.some((name) => group.includes(name)))

describe.each(runtimeNames)('the cgroups of a container on conmon and %s', (runtime) => {
  it.each([
    ['no path', () => noPath],
    ['a path of several groups', (parent: string) => atPath(`/${parent}/child`)],
    ['a relative path', (parent: string) => atPath(`${parent}/child`)],
  ])('go with it when its bundle has %s, created or refused', async (_, change) => {
    const host = await openHost(runtime)
    const parent = makeContainerId('parent')
    const container = await host.container(['/bin/sleep', '1000'], { change: change(parent) })
    const { init } = await host.impl.create(container, createEffect)
    const exit = host.exit(container)
    await host.impl.signal(container, init, KILL, effect)
    await exit
    await host.impl.delete(container, effect)
    const other = await host.container(['/nope'], {
      change: (spec) => {
        change(parent)(spec)
        refused(spec)
      },
    })
    await expect(host.impl.create(other, createEffect)).rejects.toMatchObject({ name: 'OciError' })
    await host.impl.cleanUp(other, effect)
    expect(groupsOf(parent, container.id, other.id)).toEqual([])
  })

  it('leave those above them that were there before', async () => {
    const host = await openHost(runtime)
    const parent = makeContainerId('parent')
    const directories = allCgroupRoots().map((root) => `${root}/${parent}`)
    for (const directory of directories) mkdirSync(directory)
    const container = await host.container(['/bin/sleep', '1000'], { change: atPath(`/${parent}/new/child`) })
    await host.impl.create(container, { signal: noAbort, cgroupParent: `${parent}/monitors` })
    await host.impl.cleanUp(container, effect)
    expect(groupsOf(parent).toSorted()).toEqual(directories.toSorted())
    for (const directory of directories) rmdirSync(directory)
  })

  it('leave those above them that another container has come to use', async () => {
    const host = await openHost(runtime)
    const parent = makeContainerId('parent')
    const [first, second] = [
      await host.container(['/bin/sleep', '1000'], { change: atPath(`/${parent}/first`) }),
      await host.container(['/bin/sleep', '1000'], { change: atPath(`/${parent}/second`) }),
    ]
    await host.impl.create(first, createEffect)
    const { init } = await host.impl.create(second, createEffect)
    await host.impl.cleanUp(first, effect)
    expect(groupsOf(first.id, `${parent}/first`)).toEqual([])
    expect(await readIdentity(init.pid)).toEqual(init)
    await host.impl.cleanUp(second, effect)
    for (const group of groupsOf(parent)) rmdirSync(group)
  })
})

describe.each(runtimeNames)('a container whose bundle was removed, on conmon and %s', (runtime) => {
  it.each(['delete', 'cleanUp'] as const)('leaves nothing after %s', async (verb) => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/sleep', '1000'])
    const { init } = await host.impl.create(container, createEffect)
    await host.impl.start(container, effect)
    rmSync(container.bundlePath, { recursive: true })
    const exit = host.exit(container)
    if (verb === 'delete') {
      await host.impl.signal(container, init, KILL, effect)
      await exit
    }
    await host.impl[verb](container, effect)
    expect(await exit).toMatchObject({ code: 137 })
    expect(traces(host, container)).toEqual([])
  })

  it('is deleted with all that it has, running or not, though its directory was in there', async () => {
    const root = makeTempRoot()
    const config = defineConfig({
      defaultRuntime: runtime,
      runtimes: { [runtime]: { runtimePath: programs[runtime] } },
      runDir: `${root}/run`,
      stateDir: `${root}/state`,
    })
    const opened = await Runtime.open(config)
    onTestFinished(() => opened.close())
    const rootfs = makeRootfs(root)
    for (const args of [
      ['/bin/sleep', '1000'],
      ['/bin/sh', '-c', 'exit 7'],
    ]) {
      const id = makeContainerId('gone')
      const bundlePath = `${root}/${id}`
      await writeBundle(bundlePath, defaultSpec({ rootfs, args }))
      const container = new Container({ id, bundlePath })
      await opened.createContainer(container)
      await opened.startContainer(container)
      if (args.includes('-c')) await opened.waitContainer(container)
      rmSync(bundlePath, { recursive: true })
      await opened.deleteContainer(container)
      expect(existsSync(bundlePath)).toBe(false)
      expect([...groupsOf(id), ...processesNaming(id)]).toEqual([])
      expect(readdirSync(`${root}/run/runtimes/${runtime}`)).not.toContain(id)
    }
  })
})
