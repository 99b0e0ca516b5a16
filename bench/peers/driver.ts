/**
 * This library as a peer: node driver.ts --root DIRECTORY [--durability rename] [--count-calls], after a build. Beside the
 * common commands:
 *
 *     usage           own CPU time so far in ms, private memory in KiB: of this process and of its launcher
 *     calls           calls of node:fs/promises and of its file handles so far (with --count-calls)
 *     list            the time to list all containers with their states
 *     reopen          closes the runtime and opens it again, with recovery
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import fsPromises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Container, ExecSyncResult, Runtime } from 'oci-supervisor'
import { launcherOf, privateKib, usedCpuMs } from './processes.ts'
import { serve, Stopwatch, type Answer } from './protocol.ts'

const { values } = parseArgs({
  options: {
    root: { type: 'string', default: '' },
    template: { type: 'string', default: '' },
    durability: { type: 'string', default: 'fsync' },
    'count-calls': { type: 'boolean', default: false },
  },
})
const termHeard = ['/bin/sh', '-c', "trap 'exit 0' TERM; sleep 1000 & wait"]
const sleeps = ['/bin/sleep', '1000']

let promisesCalls = 0
if (values['count-calls']) await countCalls()
// Only now: what was imported before would call the functions that are not counted.
const library = await import('oci-supervisor')

const program = (name: string): string =>
  execFileSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
const config = library.defineConfig({
  defaultRuntime: 'crun',
  runtimes: {
    crun: { runtimePath: program('crun') },
    runc: { runtimePath: program('runc') },
    shim: {
      runtimePath: program('containerd-shim-runc-v2'),
      runtimeType: 'vm',
      ociRuntimePath: program('runc'),
    },
  },
  runDir: join(values.root, 'run'),
  stateDir: join(values.root, 'state'),
  durability: values.durability === 'rename' ? 'rename' : 'fsync',
})
const template = readFileSync(values.template, 'utf8')
let runtime: Runtime = await library.Runtime.open(config)
let made = 0
const up: Container[] = []
// The library keeps a process alive for its own verbs only.
const alive = setInterval(() => undefined, 60_000)

/** Written as the floor does it: the bundle is not what is measured. */
function bundleOf(handler: string, args: readonly string[]): Container {
  made += 1
  const id = `dr${process.pid}-${made}`
  const bundlePath = join(values.root, 'b', id)
  mkdirSync(bundlePath, { recursive: true, mode: 0o700 })
  const text = template.replace('"@ARGS@"', JSON.stringify(args)).replace('@ID@', id)
  writeFileSync(join(bundlePath, 'config.json'), text, { mode: 0o600 })
  return new library.Container({ id, bundlePath, runtimeHandler: handler })
}

const removeBundle = ({ bundlePath }: Container): void => rmSync(bundlePath, { recursive: true })

async function exec(container: Container): Promise<ExecSyncResult> {
  const result = await runtime.execSyncContainer(container, ['/bin/true'], 30)
  if (result.exitCode !== 0) throw new Error(`exec ended with ${result.exitCode}: ${String(result.stderr)}`)
  return result
}

async function life(handler: string, watch: Stopwatch): Promise<void> {
  const container = bundleOf(handler, termHeard)
  await watch.time('life', async () => {
    await watch.time('create', () => runtime.createContainer(container))
    await watch.time('start', () => runtime.startContainer(container))
    await watch.time('state', () => runtime.updateContainerStatus(container))
    for (let turn = 0; turn < 2; turn += 1) await watch.time('exec', () => exec(container))
    await watch.time('pause', () => runtime.pauseContainer(container))
    await watch.time('unpause', () => runtime.unpauseContainer(container))
    await watch.time('stop', () => runtime.stopContainer(container, 30))
    await watch.time('delete', () => runtime.deleteContainer(container))
  })
  removeBundle(container)
}

async function short(handler: string, watch: Stopwatch): Promise<void> {
  const container = bundleOf(handler, sleeps)
  await watch.time('short', async () => {
    await watch.time('create', () => runtime.createContainer(container))
    await watch.time('start', () => runtime.startContainer(container))
    await watch.time('killstop', () => runtime.stopContainer(container, 0))
    await watch.time('delete', () => runtime.deleteContainer(container))
  })
  removeBundle(container)
}

async function oneShot(container: Container): Promise<void> {
  await runtime.createContainer(container)
  await runtime.startContainer(container)
  const exit = await runtime.waitContainer(container)
  if (exit.kind !== 'code' || exit.code !== 0) throw new Error(`a one-shot ended as ${JSON.stringify(exit)}`)
  await runtime.deleteContainer(container)
}

async function inFlight(count: number, atOnce: number, work: () => Promise<void>): Promise<void> {
  let begun = 0
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (begun < count) {
        begun += 1
        await work()
      }
    }),
  )
}

async function started(handler: string): Promise<Container> {
  const container = bundleOf(handler, sleeps)
  await runtime.createContainer(container)
  await runtime.startContainer(container)
  return container
}

async function ended(
  handler: string,
  watch: Stopwatch,
  name: string,
  end: (c: Container) => Promise<unknown>,
) {
  const container = await started(handler)
  // The floor lets the command begin, too.
  await new Promise((resolve) => setTimeout(resolve, 20))
  await watch.time(name, () => end(container))
  await runtime.deleteContainer(container)
  removeBundle(container)
}

async function repeat(count: number, work: () => Promise<void>): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await work()
}

async function answer([command = '', handler = '', n = '0', k = '1']: readonly string[]): Promise<Answer> {
  const watch = new Stopwatch()
  const count = Number(n)
  switch (command) {
    case 'life':
      await repeat(count, () => life(handler, watch))
      break
    case 'short':
      await repeat(count, () => short(handler, watch))
      break
    case 'oneshot':
      await repeat(count, async () => {
        const container = bundleOf(handler, ['/bin/true'])
        await watch.time('oneshot', () => oneShot(container))
        removeBundle(container)
      })
      break
    case 'par': {
      const beganMs = performance.now()
      await inFlight(count, Number(k), () => oneShot(bundleOf(handler, ['/bin/true'])))
      watch.add('rate', (count * 1000) / (performance.now() - beganMs))
      rmSync(join(values.root, 'b'), { recursive: true })
      break
    }
    case 'death':
      await repeat(count, () =>
        ended(handler, watch, 'death', (container) => {
          process.kill(container.state.pid ?? 0, 'SIGKILL')
          return runtime.waitContainer(container)
        }),
      )
      break
    case 'kill':
      await repeat(count, () =>
        ended(handler, watch, 'killstop', (container) => runtime.stopContainer(container, 0)),
      )
      break
    case 'exec': {
      const container = await started(handler)
      await repeat(count, async () => void (await watch.time('execsync', () => exec(container))))
      await runtime.deleteContainer(container)
      removeBundle(container)
      break
    }
    case 'execs': {
      const container = await started(handler)
      await inFlight(count, Number(k), async () => void (await exec(container)))
      await runtime.deleteContainer(container)
      removeBundle(container)
      break
    }
    case 'up':
      await inFlight(count, Number(k), async () => void up.push(await started(handler)))
      break
    case 'down':
      await inFlight(up.length, 8, async () => {
        const container = up.pop()
        if (container !== undefined) await runtime.deleteContainer(container)
      })
      rmSync(join(values.root, 'b'), { recursive: true, force: true })
      break
    case 'list':
      await watch.time('list', () =>
        Promise.resolve(runtime.containers.list().map(({ state, phase }) => [state, phase])),
      )
      break
    case 'reopen':
      await runtime.close()
      await watch.time('recover', async () => {
        runtime = await library.Runtime.open(config)
      })
      up.splice(0, up.length, ...runtime.containers.list())
      return { samples: watch.samples, adopted: runtime.recovered?.adopted.length }
    case 'usage': {
      const launcher = launcherOf(process.pid)
      return {
        cpuMs: usedCpuMs(process.pid),
        launcherCpuMs: usedCpuMs(launcher),
        privateKib: privateKib(process.pid),
        launcherPrivateKib: privateKib(launcher),
        launcherPid: launcher,
      }
    }
    case 'calls':
      return { calls: promisesCalls }
    default:
      throw new Error(`unknown command ${command}`)
  }
  return { samples: watch.samples }
}

/** Every call of node:fs/promises and of its handles, counted by wrapping them. */
async function countCalls(): Promise<void> {
  const handle = await fsPromises.open('/dev/null')
  for (const name of ['read', 'write', 'writeFile', 'readFile', 'sync', 'stat', 'truncate', 'close'])
    countCall(Reflect.getPrototypeOf(handle) ?? {}, name)
  await handle.close()
  for (const name of Object.keys(fsPromises)) countCall(fsPromises, name)
  syncBuiltinESMExports()
}

function countCall(object: object, name: string): void {
  const original: unknown = Reflect.get(object, name)
  if (typeof original !== 'function') return
  Reflect.set(object, name, function (this: unknown, ...args: unknown[]): unknown {
    promisesCalls += 1
    const result: unknown = Reflect.apply(original, this, args)
    return result
  })
}

try {
  await serve(answer)
} finally {
  for (const container of runtime.containers.list()) await runtime.deleteContainer(container)
  await runtime.close()
  clearInterval(alive)
}
