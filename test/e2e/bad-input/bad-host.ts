/**
 * One runtime with two handlers on this host: `good` has the real programs, `bad` has whatever a test puts in their
 * place. So a test sees what a broken program does, and that the next good container does not suffer for it.
 */
import { existsSync, lstatSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import {
  Container,
  defaultSpec,
  defineConfig,
  isOciError,
  Runtime,
  writeBundle,
  type Config,
  type ContainerOptions,
  type OciError,
  type OciSpec,
  type RuntimeOptions,
} from '../../../src/index.ts'
import { makeRootfs } from '../../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../../support/temp-root.ts'
import { cgroupsOf, processesNaming } from '../oci-host.ts'

export const programs = { crun: '/usr/bin/crun', runc: '/usr/sbin/runc' } as const
export type RuntimeName = keyof typeof programs
export const runtimeNames: readonly RuntimeName[] = ['crun', 'runc']
const conmon = '/usr/bin/conmon'

export interface BadHostOptions {
  /** The real runtime. Default crun. */
  readonly runtime?: RuntimeName
  /** What stands in for the runtime, or for conmon, of the handler `bad`: a script, or a path. */
  readonly badRuntime?: Program
  readonly badMonitor?: Program
  readonly options?: RuntimeOptions
  readonly config?: (root: string) => object
}

/** The text of a script, or the absolute path of whatever is to be executed. */
export type Program = { readonly script: string } | { readonly path: string }

export interface BadHost {
  readonly root: string
  readonly config: Config
  readonly runtime: Runtime
  /** Regular files, links, sockets and FIFOs below the host's directory, sorted; not the supply of fresh FIFOs. */
  files(): string[]
  container(options?: ContainerRequest): Promise<Container>
  /** Everything that is left of a container anywhere on the host but its bundle and the store's three files. */
  traces(container: Container): string[]
  /** A good container runs from create to delete. */
  expectGoodContainer(id?: string): Promise<void>
}

export interface ContainerRequest extends Partial<ContainerOptions> {
  readonly args?: readonly string[]
  readonly change?: (spec: OciSpec) => void
}

export async function openBadHost(options: BadHostOptions = {}): Promise<BadHost> {
  const root = makeTempRoot()
  const rootfs = makeRootfs(root)
  const config = defineConfig({ ...hostConfig(root, options), ...options.config?.(root) })
  const runtime = await Runtime.open(config, options.options)
  onTestFinished(async () => {
    await Promise.allSettled(runtime.containers.list().map((left) => runtime.deleteContainer(left)))
    await runtime.close()
  })
  const host: BadHost = {
    root,
    config,
    runtime,
    files: () => filesBelow(root).filter((file) => !/\/run\/exec\/[^/]+\/\d+$/.test(file)),
    container: ({ args = ['/bin/sleep', '1000'], change, ...given } = {}) =>
      makeContainer(root, rootfs, { args, ...(change === undefined ? {} : { change }), ...given }),
    traces: (container) => tracesOf(root, container),
    expectGoodContainer: async (id) => {
      const container = await host.container({
        args: ['/bin/sh', '-c', 'exit 5'],
        ...(id === undefined ? {} : { id }),
      })
      await runtime.createContainer(container)
      await runtime.startContainer(container)
      expect(await runtime.waitContainer(container)).toMatchObject({ kind: 'code', code: 5 })
      await runtime.deleteContainer(container)
    },
  }
  return host
}

function hostConfig(root: string, { runtime = 'crun', badRuntime, badMonitor }: BadHostOptions) {
  const real = programs[runtime]
  return {
    defaultRuntime: 'good',
    runtimes: {
      good: { runtimePath: real, monitorPath: conmon },
      bad: {
        runtimePath: programPath(root, 'bad-runtime', badRuntime) ?? real,
        monitorPath: programPath(root, 'bad-conmon', badMonitor) ?? conmon,
      },
    },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  }
}

function programPath(root: string, name: string, program: Program | undefined): string | undefined {
  if (program === undefined) return undefined
  return 'path' in program ? program.path : writeScript(root, name, program.script)
}

/** An executable shell script; `$bundle` is the working directory of a monitor. */
export function writeScript(root: string, name: string, script: string): string {
  const path = join(root, name)
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return path
}

async function makeContainer(
  root: string,
  rootfs: string,
  { args = [], change, ...given }: ContainerRequest,
): Promise<Container> {
  const id = given.id ?? makeContainerId('bad')
  const bundlePath = join(root, makeContainerId('bundle'))
  const spec = defaultSpec({ rootfs, args: [...args], cgroupsPath: `/${id}` })
  change?.(spec)
  await writeBundle(bundlePath, spec)
  return new Container({ bundlePath, ...given, id })
}

/** The store's and the embedder's. A state may be being written at this moment. */
const kept = /^(?:\.?state\.json.*|container\.json|config\.json|container\.log)$/

function tracesOf(root: string, container: Container): string[] {
  const inBundle = existsSync(container.bundlePath)
    ? readdirSync(container.bundlePath).filter((name) => !kept.test(name))
    : []
  const elsewhere = ['run', 'state'].flatMap((directory) =>
    filesBelow(join(root, directory)).filter(
      (path) => path.includes(container.id) && !path.includes('/index/'),
    ),
  )
  return [
    ...inBundle.map((name) => `in the bundle: ${name}`),
    ...elsewhere,
    ...cgroupsOf(container.id).map((path) => `cgroup ${path}`),
    ...processesNaming(container.id).map((line) => `process ${line}`),
    ...readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(container.id)),
  ]
}

function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => !path.includes('/rootfs/') && !lstatSync(path).isDirectory())
    .toSorted()
}

export async function rejection(promise: Promise<unknown>): Promise<OciError> {
  const error: unknown = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
  if (isOciError(error)) return error
  throw error
}

/** vitest's own matchers are typed `any`. */
export const containing = (text: string): unknown => expect.stringContaining(text)
export const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern)

/** The words of a message are those of STYLE: they begin small and end without a full stop. */
export function expectPlainWords({ message }: OciError): void {
  expect(message).not.toMatch(/^[A-Z][a-z]|\.$|\n$|undefined|\[object/)
}

/**
 * Creating with the handler `bad` fails so (`<id>` in the message is the container's), and leaves a failed container that can be deleted, its id free, nothing
 * else, and a runtime that goes on.
 */
export async function expectFailedCreate(
  host: BadHost,
  expected: object,
  request: ContainerRequest = { runtimeHandler: 'bad' },
): Promise<OciError> {
  const container = await host.container(request)
  const before = host.files()
  const error = await rejection(host.runtime.createContainer(container))
  expect(error).toMatchObject({
    containerId: container.id,
    operation: 'createContainer',
    ...expected,
    ...('message' in expected && typeof expected.message === 'string'
      ? { message: expected.message.replace('<id>', container.id) }
      : {}),
  })
  expectPlainWords(error)
  expect(container.phase).toBe('failed')
  expect(container.state).toMatchObject({ status: undefined, pid: 0, error: error.message })
  expect(host.traces(container)).toEqual([])
  expect(existsSync(container.logPath)).toBe(false)
  await host.runtime.deleteContainer(container)
  expect(host.files()).toEqual(before)
  expect(host.runtime.containers.get(container.id)).toBeUndefined()
  await host.expectGoodContainer(container.id)
  await host.expectGoodContainer()
  return error
}
