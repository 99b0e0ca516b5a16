/** RuntimeOCI on this host: real launcher, conmon, crun or runc, exit files, and bundles with a busybox. */
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { filter, firstValueFrom, timeout } from 'rxjs'
import { onTestFinished } from 'vitest'
import { openExitEvents } from '../../src/actors/exit-events.ts'
import { defaultSpec, writeBundle } from '../../src/bundle/bundle.ts'
import { defineConfig } from '../../src/config/define-config.ts'
import type { Config } from '../../src/config/config.ts'
import { Container, type ContainerOptions } from '../../src/container.ts'
import { openLauncher } from '../../src/impl/launcher/launcher.ts'
import { createRuntimeOci, type RuntimeOciOptions } from '../../src/impl/oci/runtime-oci.ts'
import type { ExitFact, RuntimeImpl } from '../../src/impl/runtime-impl.ts'
import { silentLogger } from '../../src/surroundings/logger.ts'
import type { OciSpec } from '../../src/bundle/oci-spec.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import { factMaxMs } from '../support/eventually.ts'

export const programs = { crun: '/usr/bin/crun', runc: '/usr/sbin/runc' } as const
export type RuntimeName = keyof typeof programs
export const runtimeNames: readonly RuntimeName[] = ['crun', 'runc']

const applets = ['sh', 'sleep', 'true', 'tail', 'cat', 'kill', 'echo', 'touch', 'ps', 'stty', 'head', 'pwd']

export interface OciHost {
  readonly root: string
  readonly config: Config
  readonly impl: RuntimeImpl
  /** Resolves with the next exit of that container that is reported. */
  exit(container: Container): Promise<ExitFact>
  /** Another instance on the same directories, as after a restart of the supervisor. */
  restarted(): RuntimeImpl
  /** `<runtime> --root … <args>` by hand. */
  runtime(...args: string[]): string
  container(args: readonly string[], options?: BundleOptions): Promise<Container>
}

export interface BundleOptions {
  readonly change?: (spec: OciSpec) => void
  readonly container?: Partial<ContainerOptions>
  readonly memoryLimitBytes?: number
  /** Below the host's root. Default: the container's id. */
  readonly bundleName?: string
}

export const noAbort = new AbortController().signal
export const effect = { signal: noAbort }
export const createEffect = { signal: noAbort, cgroupParent: undefined }

/** Everything is closed, and what is left of its containers removed, when the test is over. */
export async function openHost(
  runtime: RuntimeName,
  { runtimePath = programs[runtime], ...change }: Partial<Config> & { readonly runtimePath?: string } = {},
  createImpl: (options: RuntimeOciOptions) => RuntimeImpl = createRuntimeOci,
): Promise<OciHost> {
  const root = makeTempRoot()
  const config = { ...hostConfig(root, runtime, runtimePath), ...change }
  const launcher = await openLauncher({ logger: silentLogger })
  const exits = await openExitEvents({ directory: config.containerExitsDir })
  const subscription = exits.exits$.subscribe()
  const implOptions = { config, launcher, exits, logger: silentLogger }
  const impl = createImpl(implOptions)
  const containers: Container[] = []
  // Last registered first: the containers go before what is needed to remove them.
  onTestFinished(() => launcher.close())
  onTestFinished(() => exits.close())
  onTestFinished(async () => {
    subscription.unsubscribe()
    await impl.close()
  })
  onTestFinished(async () => {
    for (const container of containers) {
      await impl.cleanUp(container, effect)
      removePlainDirectories(container.id)
    }
  })
  const runtimeRoot = `${config.runDir}/runtimes/${runtime}`
  return {
    root,
    config,
    impl,
    restarted: () => createImpl(implOptions),
    runtime: (...args) =>
      execFileSync(programs[runtime], ['--root', runtimeRoot, ...args], { encoding: 'utf8' }),
    exit: (container) =>
      firstValueFrom(
        exits.exits$.pipe(
          filter(({ id }) => id === container.id),
          timeout(factMaxMs),
        ),
      ),
    container: async (args, options = {}) => {
      const container = await makeBundle(root, args, options)
      containers.push(container)
      return container
    },
  }
}

function hostConfig(root: string, runtime: RuntimeName, runtimePath: string): Config {
  return defineConfig({
    defaultRuntime: runtime,
    runtimes: { [runtime]: { runtimePath } },
    conmon: '/usr/bin/conmon',
    cgroupManager: 'cgroupfs',
    runDir: `${root}/run`,
    stateDir: `${root}/state`,
    containerExitsDir: `${root}/exits`,
    containerAttachSocketDir: `${root}/attach`,
  })
}

async function makeBundle(root: string, args: readonly string[], options: BundleOptions): Promise<Container> {
  const id = makeContainerId('oci')
  const bundlePath = join(root, options.bundleName ?? id)
  const rootfs = join(bundlePath, 'rootfs')
  for (const dir of ['bin', 'proc', 'sys', 'dev'])
    mkdirSync(join(rootfs, dir), { recursive: true, mode: 0o755 })
  copyFileSync('/usr/bin/busybox', join(rootfs, 'bin/busybox'))
  for (const name of applets) symlinkSync('busybox', join(rootfs, 'bin', name))
  const { memoryLimitBytes } = options
  const spec = defaultSpec({
    rootfs,
    args,
    cgroupsPath: `/${id}`,
    ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
  })
  options.change?.(spec)
  await writeBundle(bundlePath, spec)
  return new Container({ id, bundlePath, dir: join(root, `${id}-dir`), ...options.container })
}

/** Whatever on this host bears the container's id or path. */
export function traces({ root, config }: OciHost, container: Container): string[] {
  const inBundle = ['attach', 'ctl', 'winsz', 'conmon-pidfile', 'pidfile', 'oom'].map(
    (name) => `${container.bundlePath}/${name}`,
  )
  const elsewhere = ['exit', 'oom', 'runtime-oci.json'].map((name) => `${container.dir}/${name}`)
  const link = `${config.containerAttachSocketDir}/${container.id}`
  const fifo = `${config.runDir}/sync/${container.id}`
  const state = `${config.runDir}/runtimes/${config.defaultRuntime}/${container.id}`
  const files = [...inBundle, ...elsewhere, fifo, state].filter((file) => existsSync(file))
  const links = readdirSync(config.containerAttachSocketDir).includes(container.id) ? [link] : []
  return [
    ...files,
    ...links,
    ...cgroupsOf(container.id),
    ...processesNaming(container.id),
    ...mountsBelow(root),
  ]
}

export function cgroupsOf(id: string): string[] {
  return directoriesOf(id).filter(isCgroup)
}

/** statfs's magic numbers of cgroup v1 and v2. */
function isCgroup(directory: string): boolean {
  return [0x27e0eb, 0x63677270].includes(statfsSync(directory).type)
}

/**
 * Where the unified hierarchy beside v1 was unmounted so that crun works at all, crun makes plain directories at its
 * mount point and does not remove them.
 */
function removePlainDirectories(id: string): void {
  for (const directory of directoriesOf(id)) {
    if (!isCgroup(directory)) rmSync(directory, { recursive: true })
  }
}

function directoriesOf(id: string): string[] {
  // Hierarchies of v1, or groups of v2 beside which it is: the first of these is the top.
  return ['.', ...readdirSync('/sys/fs/cgroup')].flatMap((hierarchy) =>
    [id, `crio-conmon-${id}`]
      .map((name) => `/sys/fs/cgroup/${hierarchy}/${name}`)
      .filter((directory) => existsSync(directory)),
  )
}

/** Living processes whose arguments mention `text`, but ourselves. */
export function processesNaming(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        return commandLine.includes(text) ? [`${pid} ${commandLine}`] : []
      } catch {
        return [] // It ended while we looked.
      }
    })
}

function mountsBelow(root: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(root))
}

export async function until(what: string, fact: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + factMaxMs
  while (!(await fact())) {
    if (performance.now() > endMs) throw new Error(`did not come true: ${what}`)
    await delay(5)
  }
}
