/**
 * The façade on this host, for end-to-end proofs: real conmon, crun or runc, busybox. What the contract suite's harness
 * does not bend can be bent here: the spec, the limits, the directories, and the runtime binary by a wrapper around it.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import {
  Container,
  defaultSpec,
  defineConfig,
  isOciError,
  Runtime,
  writeBundle,
  type CgroupManager,
  type Config,
  type ConfigInput,
  type ContainerEvent,
  type ContainerLimits,
  type ContainerOptions,
  type OciSpec,
} from '../../src/index.ts'
import { killProcess, readIdentitySync } from '../../src/impl/process-identity.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import { until } from './oci-host.ts'

export const runtimePrograms = { crun: '/usr/bin/crun', runc: '/usr/sbin/runc' } as const
export type RuntimeName = keyof typeof runtimePrograms

export interface FacadeHostOptions {
  readonly config?: Partial<ConfigInput>
  readonly limits?: Partial<ContainerLimits>
  /** Shell text of a wrapper around the runtime: `$verb` is what is asked of it, `"$real" "$@"` does it. */
  readonly wrapper?: string
  /** A directory of another host, to share its root file system. */
  readonly root?: string
}

export interface Description {
  readonly memoryLimitBytes?: number
  readonly options?: Partial<ContainerOptions>
  readonly change?: (spec: OciSpec) => void
}

export interface FacadeHost {
  readonly root: string
  /** Shared by the containers, and writable: a file made here is one that they can wait for. */
  readonly rootfs: string
  readonly config: Config
  readonly runtime: Runtime
  /** A described container with its bundle. */
  describe(args: readonly string[], description?: Description): Promise<Container>
  create(args: readonly string[], description?: Description): Promise<Container>
  start(args: readonly string[], description?: Description): Promise<Container>
  /** Started, and its init runs the command: `start` returns a moment before, and a TERM then meets the runtime. */
  run(args: readonly string[], description?: Description): Promise<Container>
  exitFile(id: string): string
  /** Where the runtime keeps its own state of a container. */
  runtimeState(id: string): string
  /** Deletes what is left and closes the runtime. */
  close(): Promise<void>
}

/** Closed by whoever opens it. */
export async function openFacadeHost(
  handler: RuntimeName,
  options: FacadeHostOptions = {},
): Promise<FacadeHost> {
  const root = makeTempRoot()
  const rootfs = makeRootfs(root)
  const runtimePath =
    options.wrapper === undefined
      ? runtimePrograms[handler]
      : writeWrapper(join(root, 'wrapper'), handler, options.wrapper)
  const config = defineConfig({
    defaultRuntime: handler,
    runtimes: { [handler]: { runtimePath } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
    ...options.config,
  })
  const runtime = await Runtime.open(config, options.limits === undefined ? {} : { limits: options.limits })
  const describe: FacadeHost['describe'] = (args, description) =>
    describeContainer({ root, rootfs, args, cgroupManager: config.cgroupManager, ...description })
  const create: FacadeHost['create'] = async (args, description) => {
    const container = await describe(args, description)
    await runtime.createContainer(container)
    return container
  }
  const start: FacadeHost['start'] = async (args, description) => {
    const container = await create(args, description)
    await runtime.startContainer(container)
    return container
  }
  return {
    root,
    rootfs,
    config,
    runtime,
    describe,
    create,
    start,
    run: async (args, description) => {
      const container = await start(args, description)
      await until('init runs the command', () => runsItsCommand(container))
      return container
    },
    exitFile: (id) => join(config.containerExitsDir, id),
    runtimeState: (id) => join(config.runtimes[handler]?.runtimeRoot ?? '', id),
    close: async () => {
      await Promise.allSettled(runtime.containers.list().map((left) => runtime.deleteContainer(left)))
      await runtime.close()
    },
  }
}

/** Closed when the test is over. */
export async function hostForTest(handler: RuntimeName, options?: FacadeHostOptions): Promise<FacadeHost> {
  const host = await openFacadeHost(handler, options)
  onTestFinished(() => host.close())
  return host
}

function runsItsCommand({ state: { pid } }: Container): boolean {
  const [program = ''] = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
  return !/crun|runc/.test(program)
}

interface BundleRequest extends Description {
  readonly root: string
  readonly rootfs: string
  readonly args: readonly string[]
  readonly cgroupManager: CgroupManager
}

async function describeContainer(request: BundleRequest): Promise<Container> {
  const { root, rootfs, args, cgroupManager, memoryLimitBytes, options, change } = request
  const id = options?.id ?? makeContainerId()
  const bundlePath = join(root, makeContainerId('bundle'))
  const memory = memoryLimitBytes === undefined ? {} : { memoryLimitBytes }
  const cgroupsPath = cgroupManager === 'systemd' ? `system.slice:test:${id}` : `/${id}`
  const spec = defaultSpec({ rootfs, args: [...args], cgroupsPath, ...memory })
  change?.(spec)
  await writeBundle(bundlePath, spec)
  return new Container({ bundlePath, ...options, id })
}

export function writeWrapper(file: string, handler: RuntimeName, text: string): string {
  const script = `#!/bin/sh
real=${runtimePrograms[handler]}
for word in "$@"; do
  case $word in create|start|state|kill|delete|pause|resume) verb=$word; break;; esac
done
${text}
exec "$real" "$@"
`
  writeFileSync(file, script, { mode: 0o755 })
  return file
}

/** Leaves the container in the pid namespace of the host. */
export function withoutPidNamespace(spec: OciSpec): void {
  if (spec.linux === undefined) return
  spec.linux.namespaces = (spec.linux.namespaces ?? []).filter(({ type }) => type !== 'pid')
}

/** A signal from somebody else: past the library. */
export function signalFromOutside(pid: number, signal: number): void {
  const identity = readIdentitySync(pid)
  if (identity === undefined) throw new Error(`there is no process ${pid} to signal`)
  killProcess(identity, signal)
}

/** Removes a directory and makes it anew, as a careless operator would. */
export function replaceDirectory(directory: string): void {
  rmSync(directory, { recursive: true })
  mkdirSync(directory, { mode: 0o700 })
}

/** `count` runs of `run`, `lanes` of them at a time. */
export async function inLanes<T>(
  count: number,
  lanes: number,
  run: (index: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = []
  let begun = 0
  const lane = async (): Promise<void> => {
    while (begun < count) {
      const index = begun
      begun += 1
      results[index] = await run(index)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return results
}

/** The code of the error that a promise rejects with. Taken early, so that no rejection goes unhandled meanwhile. */
export async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return isOciError(error) ? error.code : String(error)
}

/** The types of the events of each container from now on, phases aside. */
export function watchEvents(runtime: Runtime): { of(container: Container): ContainerEvent['type'][] } {
  const seen: { id: string; type: ContainerEvent['type'] }[] = []
  const subscription = runtime.events$.subscribe((event) => {
    if (event.type === 'dropped' || event.type === 'phase') return
    seen.push({ id: event.containerId, type: event.type })
  })
  onTestFinished(() => {
    subscription.unsubscribe()
  })
  return { of: ({ id }) => seen.filter((event) => event.id === id).map(({ type }) => type) }
}
