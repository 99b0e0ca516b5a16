/**
 * How long each operation blocks the embedder's event loop when its process is large:
 * node bench/event-loop.ts [--runtime crun] [--resident-gib 2] [--rounds 20]
 * The baseline beside it is a plain child_process.spawn of /bin/true from the same process.
 * The hostile rows are commands in a container that has made its user files, or was given an environment, as large as they
 * may be: ten of them at once, in a process that is not large.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { defaultSpec, writeBundle, type Container } from '../src/index.ts'
import { openRealRuntime } from './real-runtime.ts'

const { values } = parseArgs({
  options: {
    runtime: { type: 'string', default: 'crun' },
    'resident-gib': { type: 'string', default: '2' },
    rounds: { type: 'string', default: '20' },
  },
})

const real = await openRealRuntime(values.runtime)
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

const hostileFiles: readonly (readonly [name: string, passwd: string, group: string])[] = [
  ['line feeds', '\n'.repeat(4.1e6), ''],
  ['short lines', 'a::1:1\n'.repeat(99_000), 'a::1:b\n'.repeat(99_000)],
  ['colons', ':'.repeat(4.1e6), ''],
  ['long lines', `${':'.repeat(262_000)}\n`.repeat(15), `g:x:5:${','.repeat(262_000)}\n`.repeat(15)],
]
/** The first is that of short values, the second that of a large one. */
const hostileEnvironments = [
  Array.from({ length: 60_000 }, (_, index) => `A${index}=`),
  [`A=${'x'.repeat(3.9e6)}`],
]

/** Ten commands at once: that they are refused, or do not fit the kernel, does not matter. */
async function measuredExecs(name: string, container: Container, user: string): Promise<void> {
  await measured(`hostile: ${name}`, () =>
    Promise.allSettled(
      Array.from({ length: 10 }, () =>
        real.runtime.execSyncContainer(container, ['/bin/true'], 60, { user }),
      ),
    ),
  )
}

async function measureHostile(): Promise<void> {
  const { runtime, rootfs } = real
  const container = await real.makeContainer(['/bin/sleep', '1000'])
  await runtime.createContainer(container)
  await runtime.startContainer(container)
  await measuredExecs('none', container, '1:1')
  for (const [name, passwd, group] of hostileFiles) {
    writeFileSync(`${rootfs}/etc/passwd`, `${passwd}\nbob:x:1001:1001::/:\n`)
    writeFileSync(`${rootfs}/etc/group`, group)
    await measuredExecs(name, container, 'bob')
  }
  await runtime.deleteContainer(container)
  for (const env of hostileEnvironments) {
    const large = await real.makeContainer(['/bin/sleep', '1000'])
    await runtime.createContainer(large)
    await runtime.startContainer(large)
    // Only now: no container would start with it.
    await writeBundle(large.bundlePath, defaultSpec({ rootfs, args: ['/bin/true'], env }))
    await measuredExecs(`environment of ${env.length}`, large, '1:1')
    await runtime.deleteContainer(large)
  }
}

for (let round = 0; round < 3; round += 1) await measureHostile()

// Filled, not only allocated: it is resident pages that fork has to copy the tables of.
const ballast = Array.from({ length: Number(values['resident-gib']) * 16 }, () =>
  Buffer.alloc(64 * 2 ** 20, 1),
)
const residentMib = Math.round(process.memoryUsage.rss() / 2 ** 20)

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
