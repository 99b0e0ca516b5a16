/**
 * Commands in a container: node bench/exec.ts [--runtime crun] [--probes 10000] [--lanes 8]
 * Latency against conmon started from a shell, streams of 100 MiB, memory for 1 GiB of output, and what thousands of
 * probes leave. Exit code 1 when bytes are lost or something is left.
 */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { readBundleSpec } from '../src/bundle/bundle.ts'
import type { Container } from '../src/index.ts'
import { openAttachBridge } from '../src/impl/attach-bridge/client.ts'
import type { ExecPort } from '../src/impl/exec-port.ts'
import { openLauncher } from '../src/impl/launcher/launcher.ts'
import { readCgroupMounts } from '../src/impl/oci/cgroups.ts'
import { createExecs } from '../src/impl/oci/execs.ts'
import { Notebook } from '../src/impl/oci/notes.ts'
import type { OciWorld } from '../src/impl/oci/world.ts'
import { silentLogger } from '../src/surroundings/logger.ts'
import { openRealRuntime, type RealRuntime } from './real-runtime.ts'

const { values } = parseArgs({
  options: {
    runtime: { type: 'string', default: 'crun' },
    probes: { type: 'string', default: '10000' },
    lanes: { type: 'string', default: '8' },
  },
})
const MiB = 1024 * 1024
const effect = { signal: new AbortController().signal }
const say = (what: string, value: string): void => void process.stdout.write(`  ${what.padEnd(28)}${value}\n`)
const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
const descriptors = (): number => readdirSync('/proc/self/fd').length
const zombies = (): number =>
  execFileSync('ps', ['-eo', 'stat=,comm='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.startsWith('Z') && /conmon|crun|runc|true|mkfifo/.test(line)).length

async function latencyMs(execs: ExecPort, container: Container): Promise<number> {
  const times: number[] = []
  for (let run = 0; run < 200; run += 1) {
    const beganMs = performance.now()
    await execs.execSync(container, { argv: ['/bin/true'] }, effect)
    times.push(performance.now() - beganMs)
  }
  return median(times)
}

/** The same by hand, as CRI-O starts it: conmon with a log file, its arguments built beforehand. */
async function shellLatencyMs({ config }: RealRuntime, container: Container): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-exec-'))
  const { process: own } = await readBundleSpec(container)
  writeFileSync(`${directory}/process`, JSON.stringify({ ...own, args: ['/bin/true'] }))
  const handler = config.runtimes[config.defaultRuntime]
  const command =
    `conmon -e --sync -c ${container.id} -n x -u x -r ${handler?.runtimePath} -p ${directory}/pid -l ${directory}/log ` +
    `--exec-process-spec ${directory}/process --runtime-arg --root=${handler?.runtimeRoot}`
  const runs = 200
  const script = `i=0; while [ $i -lt ${runs} ]; do date +%s%N; ${command} </dev/null >/dev/null 2>&1; date +%s%N; i=$((i+1)); done`
  const stamps = execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' }).trim().split('\n').map(Number)
  rmSync(directory, { recursive: true })
  return median(
    Array.from({ length: runs }, (_, run) => ((stamps[2 * run + 1] ?? 0) - (stamps[2 * run] ?? 0)) / 1e6),
  )
}

async function streamed(execs: ExecPort, container: Container, sizeBytes: number): Promise<boolean> {
  const bytes = randomBytes(sizeBytes)
  const exec = await execs.startExec(container, { argv: ['/bin/cat'], stdin: true }, effect)
  const hash = createHash('sha256')
  if (exec.stdin === undefined || exec.stdout === undefined) return false
  exec.stdin.end(bytes)
  await pipeline(exec.stdout, hash)
  await exec.exited
  return hash.digest('hex') === createHash('sha256').update(bytes).digest('hex')
}

/** By how much our memory grows at most while `work` runs. */
async function growthMiB(work: () => Promise<unknown>): Promise<number> {
  globalThis.gc?.()
  const before = process.memoryUsage.rss()
  let peak = before
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 10)
  await work()
  clearInterval(timer)
  return Math.round((Math.max(peak, process.memoryUsage.rss()) - before) / MiB)
}

async function probes(execs: ExecPort, container: Container, count: number): Promise<string> {
  let started = 0
  let failed = 0
  const beganMs = performance.now()
  await Promise.all(
    Array.from({ length: Number(values.lanes) }, async () => {
      while (started < count) {
        started += 1
        const { exitCode } = await execs.execSync(container, { argv: ['/bin/true'] }, effect)
        if (exitCode !== 0) failed += 1
      }
    }),
  )
  const perSecond = Math.round((count / (performance.now() - beganMs)) * 1000)
  return `${count - failed} of ${count} with exit code 0, ${perSecond} per second`
}

// Nothing of ours keeps a process alive while it waits; for the runtime's own verbs it is the runtime that does.
const alive = setInterval(() => undefined, 60_000)
const real = await openRealRuntime(values.runtime)
const launcher = await openLauncher({ logger: silentLogger })
const attachBridge = openAttachBridge({ launcher, logger: silentLogger })
const execs = createExecs({
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all that a container's place is found by
  oci: {
    config: real.config,
    launcher,
    logger: silentLogger,
    environment: process.env,
    notebook: new Notebook(silentLogger),
    programs: new Map(),
    adopted: new WeakMap(),
    cgroupMounts: readCgroupMounts,
  } as Partial<OciWorld> as OciWorld,
  launcher,
  attachBridge,
})
const container = await real.makeContainer(['/bin/sleep', '100000'])
await real.runtime.createContainer(container)
await real.runtime.startContainer(container)

process.stdout.write(`${values.runtime}, /bin/true\n`)
say('exec sync, median', `${(await latencyMs(execs, container)).toFixed(1)} ms`)
say('conmon -e from a shell', `${(await shellLatencyMs(real, container)).toFixed(1)} ms`)
const whole = await streamed(execs, container, 100 * MiB)
say('100 MiB through cat', whole ? 'sha256 equal' : 'BYTES LOST')

const gibibyte = ['/bin/dd', 'if=/dev/zero', 'bs=1M', 'count=1024']
const syncMiB = await growthMiB(() => execs.execSync(container, { argv: gibibyte }, effect))
say('1 GiB, exec sync', `+${syncMiB} MiB (16 MiB of it are the result)`)
const streamMiB = await growthMiB(async () => {
  const exec = await execs.startExec(container, { argv: gibibyte }, effect)
  exec.stdout?.resume()
  exec.stderr?.resume()
  if (exec.stdout !== undefined) await once(exec.stdout, 'end')
})
say('1 GiB, streamed', `+${streamMiB} MiB`)

await probes(execs, container, 500)
globalThis.gc?.()
const before = { descriptors: descriptors(), zombies: zombies(), rss: process.memoryUsage.rss() }
const count = Number(values.probes)
say('probes', await probes(execs, container, count))
globalThis.gc?.()
// What nobody waits for any more is reaped by pid 1 in its own time.
for (let look = 0; look < 100 && zombies() > before.zombies; look += 1) await delay(50)
const after = { descriptors: descriptors(), zombies: zombies(), rss: process.memoryUsage.rss() }
say('descriptors', `${before.descriptors} before, ${after.descriptors} after`)
say('zombies', `${before.zombies} before, ${after.zombies} after`)
say('resident memory', `${Math.round(before.rss / MiB)} MiB before, ${Math.round(after.rss / MiB)} MiB after`)

await execs.close()
await attachBridge.close()
await launcher.close()
await real.runtime.deleteContainer(container)
const left = real.leftovers()
say('left behind', left.length === 0 ? 'nothing' : left.join(', '))
await real.close()
clearInterval(alive)
process.exitCode = whole && after.descriptors <= before.descriptors && left.length === 0 ? 0 : 1
