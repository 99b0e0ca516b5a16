/**
 * How long a restart takes: node bench/recovery.ts [--count 1000] [--ended 0.5]
 * Containers of the simulated runtime with their states on a real disk; `--ended` is the share that had stopped before.
 * Prints how long opening took, how long the event loop was held up, and memory. Exit code 1 unless all are taken up.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { Container, defineConfig, Runtime } from '../src/index.ts'
import { SimulatedRuntime } from '../src/testing.ts'

const { values } = parseArgs({
  options: { count: { type: 'string', default: '1000' }, ended: { type: 'string', default: '0.5' } },
})
const count = Number(values.count)
const ended = Math.round(count * Number(values.ended))

const root = mkdtempSync(join(tmpdir(), 'bench-'))
const sim = new SimulatedRuntime()
const config = defineConfig({
  defaultRuntime: 'sim',
  runtimes: { sim: { runtimeType: 'sim' } },
  stateDir: join(root, 'state'),
  runDir: join(root, 'run'),
  // Only to be ready sooner: reading does not depend on it.
  durability: 'rename',
})

const first = await Runtime.open(config, { implementations: { sim: () => sim } })
const lanes = Array.from({ length: 32 }, async (_, lane) => {
  for (let index = lane; index < count; index += 32) {
    const container = new Container({ id: `c${index}`, bundlePath: join(root, 'containers', `c${index}`) })
    await first.createContainer(container)
    await first.startContainer(container)
    if (index < ended) await first.stopContainer(container, 0)
  }
})
await Promise.all(lanes)
await first.close()

const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
const rssBefore = process.memoryUsage().rss
const cpuBefore = process.cpuUsage()
const beganMs = performance.now()
const next = sim.reopen()
const runtime = await Runtime.open(config, { implementations: { sim: () => next } })
const tookMs = performance.now() - beganMs
const { user, system } = process.cpuUsage(cpuBefore)
delay.disable()
const report = runtime.recovered
const rssMiB = (process.memoryUsage().rss - rssBefore) / 2 ** 20

process.stdout.write(
  [
    `${count} containers, ${ended} of them stopped`,
    `  open            ${Math.round(tookMs)} ms, ${(tookMs / count).toFixed(2)} ms per container; ${Math.round((user + system) / 1000)} ms of CPU`,
    `  event loop      held up ${Math.round(delay.max / 1e6)} ms at most, p99 ${Math.round(delay.percentile(99) / 1e6)} ms`,
    `  memory          ${Math.round(rssMiB)} MiB more`,
    `  taken up        ${report?.adopted.length} adopted, ${report?.unresolved.length} unresolved`,
    '',
  ].join('\n'),
)
process.exitCode = report?.adopted.length === count ? 0 : 1
await runtime.close()
rmSync(root, { recursive: true })
