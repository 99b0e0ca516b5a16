/**
 * Many containers that end at once: node bench/short-lived.ts [--runtime crun] [--count 200] [--lanes 8]
 * Prints exit codes, what is left, and how long one took. Exit code 1 unless every code is 0 and nothing is left.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openRealRuntime, type RealRuntime } from './real-runtime.ts'

const { values } = parseArgs({
  options: {
    runtime: { type: 'string', default: 'crun' },
    count: { type: 'string', default: '200' },
    lanes: { type: 'string', default: '8' },
  },
})

async function runOne(real: RealRuntime): Promise<{ exit: string; tookMs: number }> {
  const container = await real.makeContainer(['/bin/true'])
  const beganMs = performance.now()
  await real.runtime.createContainer(container)
  await real.runtime.startContainer(container)
  const exit = await real.runtime.waitContainer(container)
  await real.runtime.deleteContainer(container)
  const tookMs = performance.now() - beganMs
  return { exit: exit.kind === 'code' ? String(exit.code) : `unknown (${exit.why})`, tookMs }
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length
const zombies = (): number =>
  execFileSync('ps', ['-eo', 'stat=,comm='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.startsWith('Z') && /conmon|crun|runc|true|node|sh/.test(line)).length

const real = await openRealRuntime(values.runtime)
await runOne(real)
const before = { descriptors: openDescriptors(), zombies: zombies() }
const outcomes: { exit: string; tookMs: number }[] = []
let started = 0
const beganMs = performance.now()
await Promise.all(
  Array.from({ length: Number(values.lanes) }, async () => {
    while (started < Number(values.count)) {
      started += 1
      outcomes.push(await runOne(real))
    }
  }),
)
const totalMs = performance.now() - beganMs
const times = outcomes.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b)
const quantile = (q: number): number => Math.round(times[Math.floor((times.length - 1) * q)] ?? 0)
const exits = Object.entries(Object.groupBy(outcomes, ({ exit }) => exit)).map(
  ([exit, all]) => `${exit}: ${all?.length}`,
)
const left = real.leftovers()
// What nobody waits for any more is reaped by pid 1 in its own time.
for (let look = 0; look < 100 && zombies() > before.zombies; look += 1) await delay(50)
const after = { descriptors: openDescriptors(), zombies: zombies() }
await real.close()

process.stdout.write(
  [
    `${values.runtime}, ${outcomes.length} × /bin/true, ${values.lanes} in flight`,
    `  exit codes      ${exits.join(', ')}`,
    `  per container   median ${quantile(0.5)} ms, p95 ${quantile(0.95)} ms; ${Math.round((outcomes.length / totalMs) * 1000)} per second`,
    `  descriptors     ${before.descriptors} before, ${after.descriptors} after`,
    `  zombies         ${before.zombies} before, ${after.zombies} after`,
    `  left behind     ${left.length === 0 ? 'nothing' : left.join(', ')}`,
    '',
  ].join('\n'),
)
const allZero = outcomes.every(({ exit }) => exit === '0')
process.exitCode =
  allZero && left.length === 0 && after.descriptors <= before.descriptors && after.zombies <= before.zombies
    ? 0
    : 1
