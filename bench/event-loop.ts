/**
 * How long each operation blocks the embedder's event loop when its process is large:
 * node bench/event-loop.ts [--runtime crun] [--resident-gib 2] [--rounds 20]
 * The baseline beside it is a plain child_process.spawn of /bin/true from the same process.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openRealRuntime } from './real-runtime.ts'

const { values } = parseArgs({
  options: {
    runtime: { type: 'string', default: 'crun' },
    'resident-gib': { type: 'string', default: '2' },
    rounds: { type: 'string', default: '20' },
  },
})

const real = await openRealRuntime(values.runtime)
// Filled, not only allocated: it is resident pages that fork has to copy the tables of.
const ballast = Array.from({ length: Number(values['resident-gib']) * 16 }, () =>
  Buffer.alloc(64 * 2 ** 20, 1),
)
const residentMib = Math.round(process.memoryUsage.rss() / 2 ** 20)

const worst = new Map<string, number[]>()
async function measured(name: string, operation: () => Promise<unknown>): Promise<void> {
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  await delay(5)
  delays.reset()
  await operation()
  await delay(5)
  delays.disable()
  // The histogram counts from one tick of its timer to the next, so an idle loop shows its resolution.
  worst.set(name, [...(worst.get(name) ?? []), delays.max / 1e6])
}

for (let round = 0; round < Number(values.rounds); round += 1) {
  const container = await real.makeContainer(['/bin/sleep', '1000'])
  const { runtime } = real
  await measured('idle 50 ms', () => delay(50))
  await measured('baseline: spawn(/bin/true)', () => once(spawn('/bin/true'), 'exit'))
  await measured('createContainer', () => runtime.createContainer(container))
  await measured('startContainer', () => runtime.startContainer(container))
  await measured('pauseContainer', () => runtime.pauseContainer(container))
  await measured('unpauseContainer', () => runtime.unpauseContainer(container))
  await measured('stopContainer(0)', () => runtime.stopContainer(container, 0))
  await measured('deleteContainer', () => runtime.deleteContainer(container))
}
await real.close()

process.stdout.write(
  `${values.runtime}, ${residentMib} MiB resident, ${values.rounds} rounds: longest block per operation\n`,
)
for (const [name, all] of worst) {
  const sorted = all.toSorted((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  process.stdout.write(
    `  ${name.padEnd(28)} median ${median.toFixed(1)} ms, worst ${(sorted.at(-1) ?? 0).toFixed(1)} ms\n`,
  )
}
// Keeps the ballast alive to the end.
if (ballast.length === 0) process.exitCode = 1
