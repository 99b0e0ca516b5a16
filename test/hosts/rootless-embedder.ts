/**
 * An embedder that is not root, in a service of its own: tries every verb, and what it is refused, and writes what came of
 * it to a file. Arguments: a directory, the runtime's name and path, a prefix of ids, and `first` or `next`: the first one
 * leaves a container and kills itself, the next one takes it up.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { duplexPair, PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import {
  Container,
  defaultSpec,
  defineConfig,
  isOciError,
  Runtime,
  writeBundle,
  type ConfigInput,
  type ContainerOptions,
  type DefaultSpecOptions,
  type OciSpec,
} from 'oci-supervisor'

const [root = '', handler = '', runtimePath = '', prefix = '', part = ''] = process.argv.slice(2)
const MiB = 2 ** 20

// As in docs/hosts.md:
const group = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? ''
const service = group.replace(/\/supervisor$/, '')
const directory = `/sys/fs/cgroup${service}`
mkdirSync(`${directory}/supervisor`, { recursive: true })
for (const pid of readFileSync(`${directory}/cgroup.procs`, 'utf8').split('\n').filter(Boolean))
  writeFileSync(`${directory}/supervisor/cgroup.procs`, pid)

const facts: Record<string, unknown> = { service, group }

async function fact(name: string, find: () => Promise<unknown>): Promise<void> {
  facts[name] = await find().catch((error: unknown) => {
    if (!isOciError(error)) return String(error)
    const { code, field, message } = error
    return { code, field, message }
  })
  process.stdout.write(`${name}: ${JSON.stringify(facts[name])}\n`)
}

const open = (name: string, change: Partial<ConfigInput> = {}): Promise<Runtime> =>
  Runtime.open(
    defineConfig({
      defaultRuntime: handler,
      runtimes: { [handler]: { runtimePath } },
      runDir: join(root, name, 'run'),
      stateDir: join(root, name, 'state'),
      ...change,
    }),
  )

interface Wish extends Partial<DefaultSpecOptions> {
  readonly name: string
  readonly args?: readonly string[]
  readonly options?: Partial<ContainerOptions>
  readonly change?: (spec: OciSpec) => void
}

const mapping = (hostID: number) => [{ containerID: 0, hostID, size: 1 }]

async function describe({ name, options, change, ...wish }: Wish): Promise<Container> {
  const id = `${prefix}${name}`
  const bundlePath = join(root, id)
  const cgroupsPath = `${service}/${id}`
  const args = ['/bin/sleep', '1000']
  const spec = defaultSpec({ rootfs: join(root, 'rootfs'), args, cgroupsPath, ...wish })
  if (spec.linux === undefined) throw new Error('defaultSpec has made no spec for Linux')
  spec.linux.namespaces?.push({ type: 'user' })
  spec.linux.uidMappings = mapping(process.getuid?.() ?? 0)
  spec.linux.gidMappings = mapping(process.getgid?.() ?? 0)
  for (const mount of spec.mounts ?? []) {
    if (mount.options !== undefined)
      mount.options = mount.options.filter((option) => !option.startsWith('gid='))
  }
  change?.(spec)
  await writeBundle(bundlePath, spec)
  return new Container({ id, bundlePath, ...options })
}

async function created(runtime: Runtime, wish: Wish): Promise<Container> {
  const container = await describe(wish)
  await runtime.createContainer(container, service)
  return container
}

async function started(runtime: Runtime, wish: Wish): Promise<Container> {
  const container = await created(runtime, wish)
  await runtime.startContainer(container)
  return container
}

/** What is refused before anything is touched, and so leaves nothing but a name to delete. */
async function refused(runtime: Runtime, wish: Wish): Promise<unknown> {
  const container = await describe(wish)
  try {
    return await runtime.createContainer(container, service)
  } finally {
    await runtime.deleteContainer(container)
  }
}

const without = (spec: OciSpec, key: 'cgroupsPath'): void => {
  delete spec.linux?.[key]
}

const limitOf = ({ state: { pid } }: Container): string => {
  const path = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? ''
  return readFileSync(`/sys/fs/cgroup${path}/memory.max`, 'utf8').trim()
}

async function live(runtime: Runtime): Promise<void> {
  const loop = 'busybox nc -ll -p 8080 -e /bin/cat & while :; do /bin/sleep 0.1; done'
  const web = await created(runtime, {
    name: 'web',
    args: ['/bin/sh', '-c', `trap "exit 7" TERM; echo up; ${loop}`],
    memoryLimitBytes: 64 * MiB,
  })
  await fact('limit', async () => limitOf(web))
  await fact('attach', async () => {
    const stdout = new PassThrough()
    await runtime.attachContainer(web, { stdout })
    await runtime.startContainer(web)
    for await (const line of createInterface({ input: stdout })) return line
    return undefined
  })
  await fact('execSync', async () => {
    const script = 'cat /proc/self/cgroup; exit 4'
    const { exitCode, stdout } = await runtime.execSyncContainer(web, ['/bin/sh', '-c', script])
    return { exitCode, group: String(stdout).trim() }
  })
  await fact('terminal', async () => {
    const script = 'busybox stty size; exit 6'
    const size = { width: 99, height: 33 }
    const exec = await runtime.startExec(web, ['/bin/sh', '-c', script], { tty: true, stdout: 'pipe', size })
    return { said: exec.stdout && (await text(exec.stdout)).trim(), exit: await exec.exited }
  })
  await fact('stats', async () => {
    const { pids, memLimit, memUsage = 0, cpuNano } = await runtime.containerStats(web)
    return { pids, memLimit, usesMemory: memUsage > 0, usesCpu: cpuNano > 0n }
  })
  await fact('update', async () => {
    await runtime.updateContainer(web, {
      memory: { limit: 96 * MiB },
      cpu: { quota: 50_000 },
      pids: { limit: 50 },
    })
    return limitOf(web)
  })
  await fact('pause', async () => {
    await runtime.pauseContainer(web)
    const paused = web.status
    await runtime.unpauseContainer(web)
    return [paused, web.status]
  })
  await fact('portForward', async () => {
    const [mine, theirs] = duplexPair()
    const forwarded = runtime.portForwardContainer(web, 8080, theirs)
    mine.write('through')
    const [bytes]: unknown[] = await Promise.race([once(mine), forwarded.then(() => ['ended'])])
    theirs.destroy()
    await forwarded
    return String(bytes)
  })
  await fact('reopenLog', async () => {
    renameSync(web.logPath, `${web.logPath}.1`)
    await runtime.reopenContainerLog(web)
    return existsSync(web.logPath)
  })
  await fact('stop', async () => {
    await runtime.stopContainer(web, 60)
    return web.state.exit
  })
  await fact('delete', () => runtime.deleteContainer(web))
  await fact('oom', async () => {
    const eater = await started(runtime, {
      name: 'oom',
      args: ['/bin/tail', '/dev/zero'],
      memoryLimitBytes: 20 * MiB,
    })
    const exit = await runtime.waitContainer(eater)
    await runtime.deleteContainer(eater)
    return exit
  })
}

async function once(stream: NodeJS.ReadableStream): Promise<unknown[]> {
  return new Promise((resolve) => stream.once('data', (...data: unknown[]) => resolve(data)))
}

async function refusals(runtime: Runtime): Promise<void> {
  const memoryLimitBytes = 64 * MiB
  await fact('no delegation', () => refused(runtime, { name: 'r1', cgroupsPath: `/${prefix}r1` }))
  await fact('limits without a path', () =>
    refused(runtime, { name: 'r2', memoryLimitBytes, change: (spec) => without(spec, 'cgroupsPath') }),
  )
  await fact('path of systemd', () => refused(runtime, { name: 'r3', cgroupsPath: 'user.slice:crio:c' }))
  await fact('among processes', () =>
    refused(runtime, { name: 'r4', cgroupsPath: `${service}/supervisor/c`, memoryLimitBytes }),
  )
  await fact('no user namespace', () =>
    refused(runtime, {
      name: 'r5',
      change: ({ linux }) => linux?.namespaces?.splice(0, linux.namespaces.length, { type: 'pid' }),
    }),
  )
  const shared = await started(runtime, { name: 'shared', change: (spec) => without(spec, 'cgroupsPath') })
  await fact(
    'exec without a path',
    async () => (await runtime.execSyncContainer(shared, ['/bin/true'])).exitCode,
  )
  await fact('stats without a path', async () => (await runtime.containerStats(shared)).pids)
  await fact('update without a path', () => runtime.updateContainer(shared, { pids: { limit: 50 } }))
  await fact('pause without a path', () => runtime.pauseContainer(shared))
  await runtime.deleteContainer(shared)

  const systemd = await open('systemd', { cgroupManager: 'systemd' })
  await fact('cgroups by systemd', () => refused(systemd, { name: 'r6' }))
  await systemd.close()
  const shimPath = '/usr/bin/containerd-shim-runc-v2'
  const shims = await open('shims', {
    defaultRuntime: 'shim',
    runtimes: { shim: { runtimeType: 'vm', runtimePath: shimPath, ociRuntimePath: runtimePath } },
  })
  await fact('behind a shim', () => refused(shims, { name: 'r7' }))
  await shims.close()
}

async function adopt(runtime: Runtime): Promise<void> {
  const left = runtime.containers.get(`${prefix}left`)
  if (left === undefined) throw new Error('the container was not recovered')
  await fact('adopted', async () => left.status)
  await fact(
    'exec of the adopted',
    async () => (await runtime.execSyncContainer(left, ['/bin/true'])).exitCode,
  )
  await fact('stats of the adopted', async () => (await runtime.containerStats(left)).memLimit)
  await fact('stop of the adopted', async () => {
    await runtime.stopContainer(left, 0)
    return left.state.exit
  })
  await runtime.deleteContainer(left)
}

const runtime = await open('own')
if (part === 'first') {
  await live(runtime)
  await refusals(runtime)
  const left = await started(runtime, { name: 'left', memoryLimitBytes: 64 * MiB })
  facts['left'] = left.state.pid
} else {
  await adopt(runtime)
  await runtime.close()
}
writeFileSync(join(root, `${part}.json`), JSON.stringify(facts))
if (part === 'first') process.kill(process.pid, 'SIGKILL')
