/**
 * Containers behind containerd's shim for runc: node bench/shims.ts [--lives 20] [--at-once 50] [--durability rename]
 * [--warm 1]: so many lives before any is timed, since the code of a process that has just begun is not optimized yet.
 * Prints how long a life takes, verb by verb, beside a client that does what the protocol asks of any, and nothing else:
 * it starts the shim, connects, makes the same calls, reads both outputs to their end, waits for the shim's, and removes
 * its FIFOs (they are there before, as ours are). Nothing of it is on disk. And beside what the disk takes for the files
 * that have to be there before each answer, by themselves. And how many containers at once all end well. Exit code 1 when
 * something is left.
 */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  unlinkSync,
} from 'node:fs'
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle } from '../src/index.ts'
import { openLauncher, type Launcher } from '../src/impl/launcher/launcher.ts'
import { packMessage } from '../src/impl/vm/messages/any.ts'
import { OptionsSchema } from '../src/impl/vm/messages/generated/runc-options_pb.ts'
import { Task } from '../src/impl/vm/messages/generated/task_pb.ts'
import { shimEnvironment, shimStartArguments, socketOfAnswer } from '../src/impl/vm/shim/shim-command.ts'
import { dialTtrpc, type TtrpcClient } from '../src/impl/vm/ttrpc/client.ts'
import { makeRootfs } from '../test/support/rootfs.ts'

const { values } = parseArgs({
  options: {
    lives: { type: 'string', default: '20' },
    warm: { type: 'string', default: '1' },
    'at-once': { type: 'string', default: '50' },
    durability: { type: 'string', default: 'fsync' },
  },
})
const shimPath = '/usr/bin/containerd-shim-runc-v2'
const runtimePath = execFileSync('/bin/sh', ['-c', 'command -v runc'], { encoding: 'utf8' }).trim()
const root = mkdtempSync(join(tmpdir(), 'bench-'))
const rootfs = makeRootfs(root)
const config = defineConfig({
  defaultRuntime: 'shim',
  runtimes: { shim: { runtimeType: 'vm', runtimePath: shimPath, ociRuntimePath: runtimePath } },
  runDir: join(root, 'run'),
  stateDir: join(root, 'state'),
  durability: values.durability === 'rename' ? 'rename' : 'fsync',
})
let made = 0

const verbs = ['create', 'start', 'stop', 'delete'] as const
type Verb = (typeof verbs)[number]
type Times = Record<Verb | 'life', number[]>
const noTimes = (): Times => ({ create: [], start: [], stop: [], delete: [], life: [] })

/** Runs one verb after the other, and notes how long each took, and all. */
async function timed(times: Times, steps: Readonly<Record<Verb, () => Promise<unknown>>>): Promise<void> {
  const beganMs = performance.now()
  for (const verb of verbs) {
    const verbBeganMs = performance.now()
    await steps[verb]()
    times[verb].push(performance.now() - verbBeganMs)
  }
  times.life.push(performance.now() - beganMs)
}

async function makeBundle(): Promise<{ id: string; bundlePath: string }> {
  made += 1
  const id = `bench-${process.pid}-${made}`
  const bundlePath = join(root, id)
  await writeBundle(bundlePath, defaultSpec({ rootfs, args: ['/bin/sleep', '1000'], cgroupsPath: `/${id}` }))
  return { id, bundlePath }
}

async function life(runtime: Runtime, times: Times): Promise<void> {
  const container = new Container(await makeBundle())
  await timed(times, {
    create: () => runtime.createContainer(container),
    start: () => runtime.startContainer(container),
    stop: () => runtime.stopContainer(container, 0),
    delete: () => runtime.deleteContainer(container),
  })
}

/** What a life asks of whoever speaks to its shim, and nothing else. */
async function lifeByHand(launcher: Launcher, times: Times): Promise<void> {
  const { id, bundlePath } = await makeBundle()
  const fifos = ['log', 'out', 'err'].map((name) => join(bundlePath, name))
  execFileSync('mkfifo', fifos)
  const { O_RDONLY, O_RDWR, O_NONBLOCK } = constants
  const ends: number[] = []
  const outputs: Promise<void>[] = []
  const { method } = Task
  const client = async (): Promise<TtrpcClient> => {
    const { stdout: answer } = await launcher.run({
      argv: shimStartArguments({ shimPath, containerId: id, debug: false }),
      env: shimEnvironment({ PATH: process.env['PATH'] ?? '' }, ''),
      cwd: bundlePath,
      timeoutMs: 30_000,
    })
    return dialTtrpc(socketOfAnswer(answer), { namespace: 'default', timeoutMs: 10_000 })
  }
  let shim: TtrpcClient | undefined
  let ended: Promise<unknown> | undefined
  await timed(times, {
    create: async () => {
      ends.push(...fifos.map((path) => openSync(path, O_RDWR | O_NONBLOCK)))
      outputs.push(...fifos.slice(1).map((path) => readToEnd(openSync(path, O_RDONLY | O_NONBLOCK))))
      shim = await client()
      await shim.call(method.connect, { id })
      await shim.call(method.create, {
        ...request(id, bundlePath),
        stdout: fifos[1] ?? '',
        stderr: fifos[2] ?? '',
      })
      ended = shim.call(method.wait, { id })
    },
    start: async () => {
      await shim?.call(method.start, { id })
      // The shim has its ends open: when it closes them, that is the end.
      for (const end of ends.splice(1)) closeSync(end)
    },
    stop: async () => {
      await shim?.call(method.kill, { id, signal: 9 })
      await Promise.all([ended, ...outputs])
    },
    delete: async () => {
      await shim?.call(method.delete, { id })
      await shim?.call(method.shutdown, { id }).catch(() => undefined)
      await shim?.closed
      for (const end of ends) closeSync(end)
      for (const path of fifos) unlinkSync(path)
    },
  })
}

function readToEnd(fd: number): Promise<void> {
  return new Promise((resolve) => {
    new Socket({ fd, readable: true, writable: false }).once('end', resolve).resume()
  })
}

/**
 * What the disk has to have before each verb may answer or go on, and nothing else: the same files of the same sizes in the
 * same order, side by side where the library may do so. What can be done while the shim works is left out.
 */
async function diskOwed(times: Times): Promise<void> {
  const { bundlePath } = await makeBundle()
  const index = join(bundlePath, 'index')
  const streams = join(bundlePath, 'streams')
  await mkdir(index)
  const file = (name: string): string => join(bundlePath, name)
  // In the place of FIFOs, which stand ready as well.
  const fifos = [1, 2, 3].map((number) => file(`ready-${number}`))
  await Promise.all(fifos.map((path) => writeFile(path, '')))
  const all = ['container', 'state', 'notes', 'index/entry', 'exit', 'a', 'b', 'c', 'd'].map(file)
  await timed(times, {
    create: async () => {
      // Its place, and only then its entry in the index, and only then what outlives us.
      await Promise.all([put(file('container'), { isSynced: true }), put(file('state'), { isSynced: true })])
      await sync(bundlePath)
      await put(file('index/entry'), { isSynced: true })
      await sync(index)
      await Promise.all([mkdir(streams), put(file('notes'), { isSynced: false })])
      await Promise.all(fifos.map((path, at) => rename(path, join(streams, String(at)))))
      // The container stands.
      await put(file('notes'), { isSynced: false })
      await put(file('state'), { isSynced: true })
      await sync(bundlePath)
    },
    start: async () => {
      await put(file('state'), { isSynced: true })
      await sync(bundlePath)
    },
    stop: async () => {
      await Promise.all([put(file('exit'), { isSynced: false }), readFile('/proc/self/cgroup')])
      await put(file('state'), { isSynced: true })
      await sync(bundlePath)
    },
    delete: async () => {
      await rm(file('index/entry'))
      await sync(index)
      await Promise.all([...all.map((path) => rm(path, { force: true })), rm(streams, { recursive: true })])
    },
  })
}

async function put(path: string, { isSynced }: { readonly isSynced: boolean }): Promise<void> {
  const handle = await open(`${path}.new`, 'w')
  await handle.writeFile('x'.repeat(2000))
  if (isSynced && config.durability === 'fsync') await handle.sync()
  await handle.close()
  await rename(`${path}.new`, path)
}

async function sync(directory: string): Promise<void> {
  if (config.durability !== 'fsync') return
  const handle = await open(directory)
  await handle.sync()
  await handle.close()
}

function request(id: string, bundle: string) {
  const packed = packMessage(OptionsSchema, { binaryName: runtimePath, root: join(root, 'by-hand') })
  return { id, bundle, options: { $typeName: 'google.protobuf.Any' as const, ...packed } }
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
}

// The library keeps a process alive for its own verbs only.
const alive = setInterval(() => undefined, 1000)
const runtime = await Runtime.open(config)
const launcher = await openLauncher()
for (let turn = 0; turn < Number(values.warm); turn += 1) {
  await life(runtime, noTimes())
  await lifeByHand(launcher, noTimes())
}
const [ours, byHand, owed] = [noTimes(), noTimes(), noTimes()]
for (let turn = 0; turn < Number(values.lives); turn += 1) {
  // In turn, so that all see the same host.
  await lifeByHand(launcher, byHand)
  await diskOwed(owed)
  await life(runtime, ours)
}
console.log(`medians of ${values.lives}, in ms   here  by hand  ratio   disk`)
for (const part of [...verbs, 'life'] as const) {
  const [our, their, disk] = [median(ours[part]), median(byHand[part]), median(owed[part])]
  const figures = [
    our.toFixed(1).padStart(7),
    their.toFixed(1).padStart(8),
    (our / their).toFixed(2).padStart(6),
    disk.toFixed(1).padStart(6),
  ]
  console.log(`${part.padEnd(20)} ${figures.join(' ')}`)
}

const beganMs = performance.now()
await Promise.all(Array.from({ length: Number(values['at-once']) }, () => life(runtime, noTimes())))
console.log(`${values['at-once']} at once: ${Math.round(performance.now() - beganMs)} ms, all well`)

await runtime.close()
await launcher.close()
const left = [
  ...readdirSync(config.containerExitsDir),
  ...readdirSync(join(config.runDir, 'vm/streams')),
  ...(existsSync(join(root, 'by-hand/default')) ? readdirSync(join(root, 'by-hand/default')) : []),
]
console.log(`left behind: ${left.length === 0 ? 'nothing' : left.join(', ')}`)
clearInterval(alive)
rmSync(root, { recursive: true })
process.exitCode = left.length === 0 ? 0 : 1
