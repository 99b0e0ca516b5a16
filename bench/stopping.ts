/**
 * What a stop costs others: node bench/stopping.ts [--runtime crun] [--grace 60] [--rounds 20]
 *
 * 1. 150 concurrent stops with graces of 150 … 1 s on a container that ignores TERM.
 * 2. While a stop waits out its grace: reads of every container, and another container from start to exit, beside the
 *    same without a stop in flight.
 * 3. From the death of a monitor to the event that says so.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Container } from '../src/index.ts'
import { openRealRuntime } from './real-runtime.ts'

const { values } = parseArgs({
  options: {
    runtime: { type: 'string', default: 'crun' },
    grace: { type: 'string', default: '60' },
    rounds: { type: 'string', default: '20' },
  },
})
const rounds = Number(values.rounds)
const real = await openRealRuntime(values.runtime)
const { runtime } = real
// Waiting for events alone keeps no process alive.
const alive = setInterval(() => undefined, 60_000)

async function started(args: readonly string[]): Promise<Container> {
  const container = await real.makeContainer(args)
  await runtime.createContainer(container)
  await runtime.startContainer(container)
  return container
}

async function timed(operation: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now()
  await operation()
  return performance.now() - beganMs
}

async function startToExit(): Promise<number> {
  const container = await real.makeContainer(['/bin/true'])
  await runtime.createContainer(container)
  const tookMs = await timed(async () => {
    await runtime.startContainer(container)
    await runtime.waitContainer(container)
  })
  await runtime.deleteContainer(container)
  return tookMs
}

async function series(count: number, operation: () => Promise<number>): Promise<number[]> {
  const all: number[] = []
  for (let round = 0; round < count; round += 1) all.push(await operation())
  return all.toSorted((a, b) => a - b)
}

const median = (sorted: readonly number[]): number => sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
const say = (text: string): boolean => process.stdout.write(`${text}\n`)
const ignoresTerm = ['/bin/sleep', '1000']

say(`${values.runtime}, ${rounds} rounds`)

const stubborn = await started(ignoresTerm)
let resolved = 0
const stormMs = await timed(() =>
  Promise.all(
    Array.from({ length: 150 }, async (_, index) => {
      await runtime.stopContainer(stubborn, 150 - index)
      resolved += 1
    }),
  ),
)
say(`  150 stops, 150 … 1 s      all over after ${(stormMs / 1000).toFixed(2)} s, ${resolved} resolved`)
await runtime.deleteContainer(stubborn)

const quietMs = await series(rounds, startToExit)
const stopping = await started(ignoresTerm)
const stop = runtime.stopContainer(stopping, Number(values.grace))
const untilMs = performance.now() + Number(values.grace) * 1000 - 5000
const others: number[] = []
let slowestReadMs = 0
while (performance.now() < untilMs && others.length < rounds) {
  slowestReadMs = Math.max(
    slowestReadMs,
    await timed(() => {
      const states = runtime.containers.list().map((container) => [container.state, container.phase])
      const events = runtime.events()
      return Promise.resolve([states, events])
    }),
  )
  others.push(await startToExit())
}
say(`  while ${stopping.phase}: slowest read of state, list and events ${slowestReadMs.toFixed(2)} ms`)
const busyMs = others.toSorted((a, b) => a - b)
const ratio = median(busyMs) / median(quietMs)
say(
  `  start to exit of another  median ${median(busyMs).toFixed(1)} ms; without the stop ${median(quietMs).toFixed(1)} ms; ratio ${ratio.toFixed(2)}`,
)
await runtime.stopContainer(stopping, 0)
await stop
await runtime.deleteContainer(stopping)

const noticedMs = await series(rounds, async () => {
  const container = await started(ignoresTerm)
  const events = runtime.events({ filter: { ids: [container.id], types: ['monitorLost'] } })
  const monitor = Number(readFileSync(join(container.bundlePath, 'conmon-pidfile'), 'utf8'))
  const tookMs = await timed(async () => {
    process.kill(monitor, 'SIGKILL')
    for await (const event of events) if (event.type === 'monitorLost') break
  })
  await runtime.deleteContainer(container)
  return tookMs
})
say(
  `  a killed monitor noticed  median ${median(noticedMs).toFixed(1)} ms, worst ${noticedMs.at(-1)?.toFixed(1)} ms`,
)
const left = real.leftovers()
say(`  left behind               ${left.length === 0 ? 'nothing' : left.join(', ')}`)
await real.close()
clearInterval(alive)
process.exitCode = left.length === 0 && resolved === 150 ? 0 : 1
