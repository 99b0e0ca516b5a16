/**
 * Containers behind containerd's shim for runc: node bench/shims.ts [--lives 20] [--at-once 50]
 * Prints how long a life (create, start, stop, delete) takes beside the sum of what its shim was asked for in the same
 * order by hand, and how many containers at once all end well. Exit code 1 when something is left.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, openSync, closeSync, constants, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle } from '../src/index.ts'
import { openLauncher, type Launcher } from '../src/impl/launcher/launcher.ts'
import { packMessage } from '../src/impl/vm/messages/any.ts'
import { OptionsSchema } from '../src/impl/vm/messages/generated/runc-options_pb.ts'
import { Task } from '../src/impl/vm/messages/generated/task_pb.ts'
import { shimEnvironment, shimStartArguments, socketOfAnswer } from '../src/impl/vm/shim/shim-command.ts'
import { dialTtrpc } from '../src/impl/vm/ttrpc/client.ts'
import { makeRootfs } from '../test/support/rootfs.ts'

const { values } = parseArgs({
  options: { lives: { type: 'string', default: '20' }, 'at-once': { type: 'string', default: '50' } },
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
})
let made = 0

async function makeBundle(): Promise<{ id: string; bundlePath: string }> {
  made += 1
  const id = `bench-${process.pid}-${made}`
  const bundlePath = join(root, id)
  await writeBundle(bundlePath, defaultSpec({ rootfs, args: ['/bin/sleep', '1000'], cgroupsPath: `/${id}` }))
  return { id, bundlePath }
}

async function life(runtime: Runtime): Promise<void> {
  const container = new Container(await makeBundle())
  await runtime.createContainer(container)
  await runtime.startContainer(container)
  await runtime.stopContainer(container, 0)
  await runtime.deleteContainer(container)
}

/** What a life asks of its shim, and nothing else. */
async function lifeByHand(launcher: Launcher): Promise<void> {
  const { id, bundlePath } = await makeBundle()
  const fifos = ['log', 'out', 'err'].map((name) => join(bundlePath, name))
  execFileSync('mkfifo', fifos)
  const ends = fifos.map((path) => openSync(path, constants.O_RDWR | constants.O_NONBLOCK))
  const [, stdout = '', stderr = ''] = fifos
  const beganMs = performance.now()
  const { stdout: answer } = await launcher.run({
    argv: shimStartArguments({ shimPath, containerId: id, debug: false }),
    env: shimEnvironment({ PATH: process.env['PATH'] ?? '' }, ''),
    cwd: bundlePath,
    timeoutMs: 30_000,
  })
  const client = await dialTtrpc(socketOfAnswer(answer), { namespace: 'default', timeoutMs: 10_000 })
  const packed = packMessage(OptionsSchema, { binaryName: runtimePath, root: join(root, 'by-hand') })
  const options = { $typeName: 'google.protobuf.Any' as const, ...packed }
  const { method } = Task
  await client.call(method.connect, { id })
  await client.call(method.create, { id, bundle: bundlePath, stdout, stderr, options })
  const wait = client.call(method.wait, { id })
  await client.call(method.start, { id })
  await client.call(method.kill, { id, signal: 9 })
  await wait
  await client.call(method.delete, { id })
  await client.call(method.shutdown, { id }).catch(() => undefined)
  await client.closed
  byHandMs.push(performance.now() - beganMs)
  for (const end of ends) closeSync(end)
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
}

// The library keeps a process alive for its own verbs only.
const alive = setInterval(() => undefined, 1000)
const byHandMs: number[] = []
const lifeMs: number[] = []
const runtime = await Runtime.open(config)
const launcher = await openLauncher()
await life(runtime)
for (let turn = 0; turn < Number(values.lives); turn += 1) {
  // In turn, so that both see the same host.
  await lifeByHand(launcher)
  const beganMs = performance.now()
  await life(runtime)
  lifeMs.push(performance.now() - beganMs)
}
const ratio = median(lifeMs) / median(byHandMs)
console.log(`one life, median of ${lifeMs.length}: ${median(lifeMs).toFixed(1)} ms`)
console.log(`its calls by hand: ${median(byHandMs).toFixed(1)} ms; ratio ${ratio.toFixed(2)}`)

const beganMs = performance.now()
await Promise.all(Array.from({ length: Number(values['at-once']) }, () => life(runtime)))
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
