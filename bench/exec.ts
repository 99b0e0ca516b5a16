/**
 * Commands in a container: node bench/exec.ts [--runtime crun] [--part memory,latency,bytes,terminal,probes]
 * [--probes 10000] [--lanes 8]
 * Memory for 1 GiB of output, latency beside conmon started from a shell, streams of 100 MiB, sizes of terminals, and what
 * thousands of probes leave, with --expose-gc also in the heap. Exit code 1 when bytes or sizes are wrong, memory is above its limit, or something is left.
 *
 * As in production the launcher is the built one, where there is one: from sources Node has its compiler in memory too.
 */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { readBundleSpec } from '../src/bundle/bundle.ts'
import type { Container } from '../src/index.ts'
import type { ExecPort, ExecSession } from '../src/impl/exec-port.ts'
import { openLauncher } from '../src/impl/launcher/launcher.ts'
import { createRuntimeOci } from '../src/impl/oci/runtime-oci.ts'
import { noExits } from '../test/impl/oci/no-exits.ts'
import { silentLogger } from '../src/surroundings/logger.ts'
import { openRealRuntime, type RealRuntime } from './real-runtime.ts'

const { values } = parseArgs({
  options: {
    runtime: { type: 'string', default: 'crun' },
    probes: { type: 'string', default: '10000' },
    lanes: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '100' },
    part: { type: 'string', default: 'memory,latency,bytes,terminal,probes' },
  },
})
const MiB = 1024 * 1024
const growthMaxMiB = 40
const heapPerProbeMaxBytes = 30
const parts = values.part.split(',')
const sh = (script: string): string[] => ['/bin/sh', '-c', script]
const effect = { signal: new AbortController().signal }
const say = (what: string, value: string): void => void process.stdout.write(`  ${what.padEnd(28)}${value}\n`)
const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
const descriptors = (): number => readdirSync('/proc/self/fd').length
const zombies = (): number =>
  execFileSync('ps', ['-eo', 'stat=,comm='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.startsWith('Z') && /conmon|crun|runc|true|mkfifo/.test(line)).length

const rssMiB = (): number => Math.round(process.memoryUsage.rss() / MiB)

const wrong: string[] = []
function must(fact: boolean, what: string): void {
  if (!fact) wrong.push(what)
}

/** By turns, so that both have the same host. */
async function sayLatency(execs: ExecPort, container: Container, real: RealRuntime): Promise<void> {
  const ours: number[] = []
  const shells: number[] = []
  for (let turn = 0; turn < 10; turn += 1) {
    for (let run = 0; run < 20; run += 1) {
      const beganMs = performance.now()
      await execs.execSync(container, { argv: ['/bin/true'] }, effect)
      ours.push(performance.now() - beganMs)
    }
    shells.push(...(await shellLatenciesMs(real, container, 20)))
  }
  say('exec sync, median', `${median(ours).toFixed(1)} ms`)
  say('conmon -e from a shell', `${median(shells).toFixed(1)} ms`)
  say('ratio', (median(ours) / median(shells)).toFixed(2))
}

/** The same by hand, as CRI-O starts it: conmon with a log file, its arguments built beforehand. */
async function shellLatenciesMs(
  { config }: RealRuntime,
  container: Container,
  runs: number,
): Promise<number[]> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-exec-'))
  const { process: own } = await readBundleSpec(container)
  writeFileSync(`${directory}/process`, JSON.stringify({ ...own, args: ['/bin/true'] }))
  const handler = config.runtimes[config.defaultRuntime]
  const command =
    `conmon -e --sync -c ${container.id} -n x -u x -r ${handler?.runtimePath} -p ${directory}/pid -l ${directory}/log ` +
    `--exec-process-spec ${directory}/process --runtime-arg --root=${handler?.runtimeRoot}`
  const script = `i=0; while [ $i -lt ${runs} ]; do date +%s%N; ${command} </dev/null >/dev/null 2>&1; date +%s%N; i=$((i+1)); done`
  const stamps = execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' }).trim().split('\n').map(Number)
  rmSync(directory, { recursive: true })
  return Array.from({ length: runs }, (_, run) => ((stamps[2 * run + 1] ?? 0) - (stamps[2 * run] ?? 0)) / 1e6)
}

/** Whether it all comes back as it was. */
async function returns(exec: ExecSession, sizeBytes: number): Promise<boolean> {
  const bytes = randomBytes(sizeBytes)
  if (exec.stdin === undefined || exec.stdout === undefined) return false
  exec.stdin.write(bytes)
  const hash = createHash('sha256')
  let countBytes = 0
  exec.stdout.on('data', (chunk: Buffer) => {
    hash.update(chunk)
    countBytes += chunk.length
    if (countBytes === sizeBytes) exec.stdin?.end()
  })
  await once(exec.stdout, 'end')
  await exec.exited
  return hash.digest('hex') === createHash('sha256').update(bytes).digest('hex')
}

async function sayBytes(execs: ExecPort, container: Container): Promise<void> {
  const sizeBytes = 100 * MiB
  const plain = await execs.startExec(container, { argv: ['/bin/cat'], stdin: true }, effect)
  const isWhole = await returns(plain, sizeBytes)
  say('100 MiB through cat', isWhole ? 'sha256 equal' : 'BYTES LOST')
  const script = `/bin/busybox stty raw -echo; echo ready; exec /bin/busybox head -c ${sizeBytes}`
  const raw = await execs.startExec(container, { argv: sh(script), stdin: true, tty: true }, effect)
  if (raw.stdout !== undefined) await once(raw.stdout, 'readable')
  const greeting = String(raw.stdout?.read('ready\n'.length))
  const isWholeRaw = greeting === 'ready\n' && (await returns(raw, sizeBytes))
  say('100 MiB, raw terminal', isWholeRaw ? 'sha256 equal' : 'BYTES LOST')
  must(isWhole && isWholeRaw, 'bytes')
}

async function sayTerminal(execs: ExecPort, container: Container): Promise<void> {
  const rounds = Number(values.rounds)
  const times: number[] = []
  let first = 0
  let later = 0
  for (let round = 0; round < rounds; round += 1) {
    const width = 100 + (round % 900)
    const beganMs = performance.now()
    const script = `/bin/busybox stty size; read line; /bin/busybox stty size`
    const request = { argv: sh(script), tty: true, stdin: true, size: { width, height: 40 } }
    const exec = await execs.startExec(container, request, effect)
    times.push(performance.now() - beganMs)
    let said = ''
    exec.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    while (!said.includes('\n') && exec.stdout !== undefined) await once(exec.stdout, 'data')
    for (let size = 0; size < 10; size += 1) void exec.resize({ width: 1, height: 1 + size })
    await exec.resize({ width, height: 50 })
    exec.stdin?.write('\n')
    await exec.exited
    if (exec.stdout?.readableEnded === false) await once(exec.stdout, 'end')
    if (said.startsWith(`40 ${width}\r\n`)) first += 1
    else console.log(round, JSON.stringify(said))
    if (said.endsWith(`50 ${width}\r\n`)) later += 1
  }
  say('terminal, started, median', `${median(times).toFixed(1)} ms`)
  say('first size right', `${first} of ${rounds}`)
  say('size after resizing right', `${later} of ${rounds}`)
  must(first === rounds && later === rounds, 'sizes')
}

/** By how much our memory grows at most while `work` runs. */
async function growthMiB(work: () => Promise<unknown>): Promise<number> {
  const before = rssMiB()
  let peak = before
  const timer = setInterval(() => (peak = Math.max(peak, rssMiB())), 10)
  await work()
  clearInterval(timer)
  return Math.max(peak, rssMiB()) - before
}

async function sayMemory(execs: ExecPort, container: Container): Promise<void> {
  const argv = ['/bin/dd', 'if=/dev/zero', 'bs=1M', 'count=1024']
  // Idle, with everything loaded.
  await probes(execs, container, 50)
  const growth: number[] = []
  for (let run = 0; run < 3; run += 1) {
    growth.push(
      await growthMiB(async () => {
        const exec = await execs.startExec(container, { argv }, effect)
        exec.stdout?.resume()
        exec.stderr?.resume()
        if (exec.stdout !== undefined) await once(exec.stdout, 'end')
      }),
    )
  }
  say('1 GiB, streamed, thrice', `${growth.map((more) => `+${more}`).join(', ')} MiB`)
  must(Math.max(...growth) < growthMaxMiB, 'memory')
  const syncMiB = await growthMiB(() => execs.execSync(container, { argv }, effect))
  say('1 GiB, exec sync', `+${syncMiB} MiB (16 MiB of it are the result)`)
}

async function probes(execs: ExecPort, container: Container, count: number): Promise<number> {
  let started = 0
  let failed = 0
  await Promise.all(
    Array.from({ length: Number(values.lanes) }, async () => {
      while (started < count) {
        started += 1
        const { exitCode } = await execs.execSync(container, { argv: ['/bin/true'] }, effect)
        if (exitCode !== 0) failed += 1
      }
    }),
  )
  return failed
}

interface Size {
  readonly residentMiB: number
  /** After a collection; not known without --expose-gc. */
  readonly heapKiB: number | undefined
  readonly launcherMiB: number
}

function sizeNow(launcherPid: number): Size {
  const residentMiB = rssMiB()
  // What it can free is slack; what is left is what somebody holds.
  globalThis.gc?.()
  const heapKiB = globalThis.gc === undefined ? undefined : Math.round(process.memoryUsage().heapUsed / 1024)
  const status = readFileSync(`/proc/${launcherPid}/status`, 'utf8')
  const launcherMiB = Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024)
  return { residentMiB, heapKiB, launcherMiB }
}

async function sayProbes(execs: ExecPort, container: Container, launcherPid: number): Promise<void> {
  const count = Number(values.probes)
  await probes(execs, container, 500)
  const before = { descriptors: descriptors(), zombies: zombies() }
  const sizes = [sizeNow(launcherPid)]
  const beganMs = performance.now()
  let failed = 0
  for (let quarter = 0; quarter < 4; quarter += 1) {
    failed += await probes(execs, container, count / 4)
    sizes.push(sizeNow(launcherPid))
  }
  const perSecond = Math.round((count / (performance.now() - beganMs)) * 1000)
  // What nobody waits for any more is reaped by pid 1 in its own time.
  for (let look = 0; look < 100 && zombies() > before.zombies; look += 1) await delay(50)
  say('probes', `${count - failed} of ${count} with exit code 0, ${perSecond} per second`)
  const course = (figure: keyof Size): string => sizes.map((size) => size[figure] ?? '?').join(', ')
  say('resident memory', `${course('residentMiB')} MiB at 0, 25, 50, 75, 100 %`)
  say('launcher', `${course('launcherMiB')} MiB`)
  say(
    'heap after a collection',
    `${course('heapKiB')} KiB${sizes[0]?.heapKiB === undefined ? ' (node --expose-gc)' : ''}`,
  )
  // Code that is compiled late is some hundred KiB, once. A listener or a promise for each probe would be more.
  const grownKiB = (sizes.at(-1)?.heapKiB ?? 0) - (sizes[1]?.heapKiB ?? 0)
  must(grownKiB < 512 + (heapPerProbeMaxBytes * count) / 1024, 'heap')
  say('descriptors', `${before.descriptors} before, ${descriptors()} after`)
  say('zombies', `${before.zombies} before, ${zombies()} after`)
  must(failed === 0 && descriptors() <= before.descriptors && zombies() <= before.zombies, 'probes')
}

// Nothing of ours keeps a process alive while it waits; for the runtime's own verbs it is the runtime that does.
const alive = setInterval(() => undefined, 60_000)
const real = await openRealRuntime(values.runtime)
const built = join(import.meta.dirname, '../dist/impl/launcher/main.js')
const launcherPath = existsSync(built) ? built : undefined
const launcher = await openLauncher({ logger: silentLogger, launcherPath })
// Only commands are asked of it: it hears of no exit.
const impl = createRuntimeOci({ config: real.config, launcher, exits: noExits(), logger: silentLogger })
const { execs } = impl
const container = await real.makeContainer(['/bin/sleep', '100000'])
await real.runtime.createContainer(container)
await real.runtime.startContainer(container)

process.stdout.write(`${values.runtime}, launcher ${launcherPath === undefined ? 'from sources' : 'built'}\n`)
if (parts.includes('memory')) await sayMemory(execs, container)
if (parts.includes('latency')) await sayLatency(execs, container, real)
if (parts.includes('bytes')) await sayBytes(execs, container)
if (parts.includes('terminal')) await sayTerminal(execs, container)
if (parts.includes('probes')) await sayProbes(execs, container, launcher.pid ?? 0)

await impl.close()
await launcher.close()
await real.runtime.deleteContainer(container)
const left = real.leftovers()
must(left.length === 0, `left behind: ${left.join(', ')}`)
await real.close()
clearInterval(alive)
for (const what of wrong) say('NOT AS IT SHOULD BE', what)
process.exitCode = wrong.length === 0 ? 0 : 1
