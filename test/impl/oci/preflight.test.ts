import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { describe, expect, it } from 'vitest'
import { defaultSpec, writeBundle } from '../../../src/bundle/bundle.ts'
import { defineConfig } from '../../../src/config/define-config.ts'
import type { ConfigInput } from '../../../src/config/config.ts'
import { Container, type ContainerOptions } from '../../../src/container.ts'
import { isOciError, type OciError } from '../../../src/errors/index.ts'
import type { CommandResult, MonitorOutcome } from '../../../src/impl/launcher/launcher.ts'
import { createRuntimeOci } from '../../../src/impl/oci/runtime-oci.ts'
import type { RuntimeImpl } from '../../../src/impl/runtime-impl.ts'
import { silentLogger } from '../../../src/surroundings/logger.ts'
import { makeTempRoot } from '../../support/temp-root.ts'
import { noExits } from './no-exits.ts'

const effect = { signal: new AbortController().signal }
const createEffect = { ...effect, cgroupParent: undefined }

interface World {
  readonly root: string
  readonly impl: RuntimeImpl
  /** What was asked of the launcher, in order. */
  readonly spawned: string[][]
  readonly discarded: string[]
  container(options?: Partial<ContainerOptions>): Container
}

const notStarted = (path: string) => ({ errno: 'ENOENT', path })

/** A launcher on a host without a runtime: everything that is started is not there, but for FIFOs to be made. */
async function openWorld(
  change: Partial<ConfigInput> = {},
  environment: Record<string, string> = { PATH: '/nowhere' },
): Promise<World> {
  const root = makeTempRoot()
  const spawned: string[][] = []
  const discarded: string[] = []
  const config = defineConfig({
    defaultRuntime: 'crun',
    runtimes: { crun: { runtimePath: '/nowhere/crun' }, bare: {} },
    conmon: '/nowhere/conmon',
    runDir: `${root}/run`,
    stateDir: `${root}/state`,
    ...change,
  })
  const launcher = {
    run: ({ argv }: { argv: readonly [string, ...string[]] }): Promise<CommandResult> => {
      if (argv[0] === 'mkfifo') {
        execFileSync(argv[0], argv.slice(1))
        const ended = { exitCode: 0, signal: undefined, timedOut: false, stdoutTruncated: false }
        return Promise.resolve({ ...ended, stdout: '', stderrTail: '' })
      }
      spawned.push([...argv])
      const end = { exitCode: undefined, signal: undefined, timedOut: false, stdoutTruncated: false }
      return Promise.resolve({ ...end, stdout: '', stderrTail: '', notStarted: notStarted(argv[0]) })
    },
    attend: () => Promise.reject(new Error('not asked for')),
    spawnMonitor: ({ argv }: { argv: readonly [string, ...string[]] }): Promise<MonitorOutcome> => {
      spawned.push([...argv])
      return Promise.resolve({ kind: 'notStarted', ...notStarted(argv[0]) })
    },
  }
  const exits = noExits(discarded)
  const bundlePath = `${root}/b`
  await writeBundle(bundlePath, defaultSpec({ rootfs: `${root}/rootfs`, args: ['/bin/true'] }))
  return {
    root,
    spawned,
    discarded,
    impl: createRuntimeOci({ config, launcher, exits, logger: silentLogger, environment }),
    container: (options = {}) => new Container({ id: 'c1', bundlePath, dir: `${root}/d`, ...options }),
  }
}

/** One with all programs, and no bus. */
const openSystemdWorld = () =>
  openWorld(
    {
      cgroupManager: 'systemd',
      runtimes: { crun: { runtimePath: process.execPath } },
      conmon: process.execPath,
    },
    { PATH: '/nowhere', DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/nowhere/bus' },
  )

async function errorOf(promise: Promise<unknown>): Promise<OciError> {
  const error: unknown = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
  if (isOciError(error)) return error
  throw error
}

const allowing = (allowedAnnotations: readonly string[]) => ({
  runtimes: { crun: { runtimePath: '/nowhere/crun', allowedAnnotations } },
})
const annotate = ({ root }: World, annotations: Record<string, string>) => {
  const spec = { ...defaultSpec({ rootfs: `${root}/rootfs`, args: ['/bin/true'] }), annotations }
  writeFileSync(`${root}/b/config.json`, JSON.stringify(spec))
}

describe('a create that can be known to be wrong', () => {
  it.each<[string, Partial<ContainerOptions>, (root: string) => void, object]>([
    [
      'has a log path with a colon',
      { logPath: '/tmp/a:b' },
      () => undefined,
      { code: 'ERR_INVALID_ARGUMENT', field: 'logPath' },
    ],
    [
      'logs to a missing directory',
      { logPath: '/nowhere/log' },
      () => undefined,
      { code: 'ERR_INVALID_ARGUMENT', field: 'logPath' },
    ],
    [
      'logs to a device',
      { logPath: '/dev/null' },
      () => undefined,
      { code: 'ERR_INVALID_ARGUMENT', field: 'logPath' },
    ],
    [
      'logs through a link',
      {},
      (root) => {
        mkdirSync(`${root}/d`, { mode: 0o700 })
        symlinkSync('/etc/passwd', `${root}/d/container.log`)
      },
      { code: 'ERR_INVALID_ARGUMENT', field: 'logPath' },
    ],
    [
      'logs into a directory that everybody can write to',
      { logPath: '/tmp/everybody.log' },
      () => undefined,
      { code: 'ERR_INVALID_ARGUMENT', field: 'logPath' },
    ],
    [
      'logs into a directory of another user',
      {},
      (root) => {
        mkdirSync(`${root}/d/logs`, { recursive: true, mode: 0o700 })
        chownSync(`${root}/d/logs`, 65_534, 65_534)
      },
      { code: 'ERR_INVALID_ARGUMENT', field: 'logPath' },
    ],
    [
      'logs into a file that has a second name',
      {},
      (root) => {
        mkdirSync(`${root}/d`, { mode: 0o700 })
        writeFileSync(`${root}/victim`, 'theirs')
        linkSync(`${root}/victim`, `${root}/d/container.log`)
      },
      { code: 'ERR_INVALID_ARGUMENT', field: 'logPath' },
    ],
    [
      'has a root file system whose /dev is a link',
      {},
      (root) => {
        mkdirSync(`${root}/rootfs`)
        symlinkSync('/tmp', `${root}/rootfs/dev`)
      },
      { code: 'ERR_BUNDLE', field: 'root.path' },
    ],
    ['has no config.json', {}, (root) => rmSync(`${root}/b/config.json`), { code: 'ERR_BUNDLE' }],
    [
      'wants a terminal that its spec has not',
      { terminal: true },
      () => undefined,
      { code: 'ERR_BUNDLE', field: 'process.terminal' },
    ],
    [
      'names a network namespace that its spec does not enter',
      { netns: '/proc/1/ns/net' },
      () => undefined,
      { code: 'ERR_BUNDLE', field: 'linux.namespaces' },
    ],
    [
      'has a directory that everybody can write',
      {},
      (root) => {
        mkdirSync(`${root}/d`)
        chmodSync(`${root}/d`, 0o777)
      },
      { code: 'ERR_INVALID_ARGUMENT', field: 'dir' },
    ],
    [
      'leaves its exit to a link',
      {},
      (root) => {
        mkdirSync(`${root}/run`, { mode: 0o700 })
        symlinkSync('/tmp', `${root}/run/exits`)
      },
      { code: 'ERR_INVALID_ARGUMENT', field: 'containerExitsDir' },
    ],
    [
      'names no handler that is configured',
      { runtimeHandler: 'kata' },
      () => undefined,
      { code: 'ERR_UNKNOWN_HANDLER' },
    ],
    [
      'names a handler that is not installed',
      { runtimeHandler: 'bare' },
      () => undefined,
      { code: 'ERR_RUNTIME_NOT_FOUND', field: 'runtimePath' },
    ],
    [
      'takes the id of a container that the runtime has',
      {},
      (root) => mkdirSync(`${root}/run/runtimes/crun/c1`, { recursive: true, mode: 0o700 }),
      { code: 'ERR_CONTAINER_EXISTS', field: 'id' },
    ],
  ])('because it %s touches nothing', async (_, options, prepare, expected) => {
    const world = await openWorld()
    prepare(world.root)
    const logs = existsSync(`${world.root}/d/logs`) ? { logPath: `${world.root}/d/logs/log` } : {}
    const container = world.container({ ...options, ...logs })
    const files = ['pidfile', 'attach'].map((name) => `${world.root}/b/${name}`)
    for (const file of files) writeFileSync(file, 'theirs')
    expect(await errorOf(world.impl.create(container, createEffect))).toMatchObject(expected)
    await world.impl.cleanUp(container, effect)
    await world.impl.cleanUp(container, effect)
    await world.impl.delete(container, effect)
    expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(['theirs', 'theirs'])
    expect(world.discarded).toEqual([])
    expect(world.spawned).toEqual([])
  })

  describe('where systemd manages cgroups', () => {
    it('because there is no D-Bus touches nothing', async () => {
      const world = await openSystemdWorld()
      const container = world.container()
      const error = await errorOf(world.impl.create(container, createEffect))
      expect(error).toMatchObject({ code: 'ERR_IO', file: '/nowhere/bus' })
      await world.impl.cleanUp(container, effect)
      expect([world.spawned, world.discarded]).toEqual([[], []])
    })

    it.each(['/machine.slice', 'machine', 'a--b.slice', 'machine.slice/x'])(
      'because its cgroup parent %s is no slice is refused',
      async (cgroupParent) => {
        const world = await openSystemdWorld()
        const error = await errorOf(world.impl.create(world.container(), { ...effect, cgroupParent }))
        expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'cgroupParent' })
      },
    )

    it.each(['/c1', 'machine.slice/c1', 'machine.slice:crio', 'machine:crio:c1', 'machine.slice:crio:a/b'])(
      'because its cgroupsPath %s is not what systemd takes is refused',
      async (cgroupsPath) => {
        const world = await openSystemdWorld()
        const spec = defaultSpec({ rootfs: '/r', args: ['/bin/true'] })
        const bundle = { ...spec, linux: { ...spec.linux, cgroupsPath } }
        writeFileSync(`${world.root}/b/config.json`, JSON.stringify(bundle))
        const error = await errorOf(world.impl.create(world.container(), createEffect))
        expect(error).toMatchObject({ code: 'ERR_BUNDLE', field: 'linux.cgroupsPath' })
      },
    )
  })

  describe('has annotations that command the runtime, and', () => {
    const names = ['run.oci.hooks.stdout', 'org.criu.config', 'org.systemd.property.ExecStart', 'bundle']
    it.each(names)('is refused for %s, which the handler does not allow', async (name) => {
      const world = await openWorld(allowing([`${name}.more`, name.slice(0, -1), 'run.oci.', '*']))
      annotate(world, { 'io.example': 'harmless', [name]: 'x' })
      expect(await errorOf(world.impl.create(world.container(), createEffect))).toMatchObject({
        code: 'ERR_BUNDLE',
        field: `annotations.${name}`,
      })
      expect(world.spawned).toEqual([])
    })

    it.each(names)('is let through with %s, which the handler allows by its whole name', async (name) => {
      const world = await openWorld(allowing([name]))
      annotate(world, { [name]: 'x', 'run.ocix': 'harmless', 'org.criu.configs': 'harmless' })
      const error = await errorOf(world.impl.create(world.container(), createEffect))
      expect(error.code).toBe('ERR_RUNTIME_NOT_FOUND')
    })
  })

  it('because its id is too short for the journal is refused', async () => {
    const world = await openWorld({ logToJournald: true })
    const error = await errorOf(world.impl.create(world.container({ id: 'c'.repeat(12) }), createEffect))
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'id' })
    const long = world.container({ id: 'c'.repeat(13) })
    expect(await errorOf(world.impl.create(long, createEffect))).toMatchObject({
      code: 'ERR_RUNTIME_NOT_FOUND',
    })
  })

  it('because its cgroup parent climbs is refused', async () => {
    const world = await openWorld()
    const options = { ...effect, cgroupParent: '/a/../b' }
    expect(await errorOf(world.impl.create(world.container(), options))).toMatchObject({
      field: 'cgroupParent',
    })
  })

  it('needs config.json although it was given a spec, and never writes it', async () => {
    const world = await openWorld()
    const container = world.container()
    container.setSpec(defaultSpec({ rootfs: '/r', args: ['/bin/true'] }))
    rmSync(`${world.root}/b/config.json`)
    expect(await errorOf(world.impl.create(container, createEffect))).toMatchObject({ code: 'ERR_BUNDLE' })
    expect(existsSync(`${world.root}/b/config.json`)).toBe(false)
  })
})

/** As a create leaves them that came to its start byte. */
function leaveNotes({ root }: World): void {
  const notes = {
    runtimeRoot: `${root}/run/runtimes/crun`,
    ownPidNamespace: true,
    cgroupPaths: {},
    monitorCgroups: [],
  }
  mkdirSync(`${root}/d`, { mode: 0o700 })
  writeFileSync(`${root}/d/runtime-oci.json`, JSON.stringify(notes))
}

describe('a create on a host without conmon', () => {
  it('says which program is missing, and touches nothing', async () => {
    const world = await openWorld()
    const container = world.container()
    const error = await errorOf(world.impl.create(container, createEffect))
    expect(error).toMatchObject({
      code: 'ERR_RUNTIME_NOT_FOUND',
      file: '/nowhere/crun',
      field: 'runtimePath',
    })
    await world.impl.cleanUp(container, effect)
    await world.impl.delete(container, effect)
    expect(world.discarded).toEqual([])
    expect(world.spawned).toEqual([])
  })

  it('can be cleaned up and deleted when the runtime was uninstalled meanwhile and keeps nothing', async () => {
    const world = await openWorld()
    leaveNotes(world)
    await world.impl.delete(world.container(), effect)
    expect(world.spawned.map(([program]) => program)).toEqual(['/nowhere/crun'])
    expect(existsSync(`${world.root}/d/runtime-oci.json`)).toBe(false)
  })

  it('keeps failing to delete a container whose runtime was uninstalled', async () => {
    const world = await openWorld()
    leaveNotes(world)
    mkdirSync(`${world.root}/run/runtimes/crun/c1`, { recursive: true })
    for (const verb of ['cleanUp', 'delete'] as const) {
      expect(await errorOf(world.impl[verb](world.container(), effect))).toMatchObject({
        code: 'ERR_RUNTIME_NOT_FOUND',
      })
    }
  })

  it('finds programs on PATH, in absolute directories only', async () => {
    const world = await openWorld({ conmon: '' }, { PATH: `relative:${import.meta.dirname}` })
    expect((await errorOf(world.impl.create(world.container(), createEffect))).field).toBe('monitorPath')
    const bin = makeTempRoot()
    for (const name of ['conmon', 'crun']) writeFileSync(`${bin}/${name}`, '', { mode: 0o755 })
    const found = await openWorld(
      { conmon: '', runtimes: { crun: { runtimePath: `${bin}/crun` } } },
      { PATH: bin },
    )
    await errorOf(found.impl.create(found.container(), createEffect))
    expect(found.spawned[0]?.[0]).toBe(`${bin}/conmon`)
  })
})
