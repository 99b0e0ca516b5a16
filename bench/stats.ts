/**
 * What one sample of a container costs: node bench/stats.ts [--runtime crun] [--containers 20] [--rounds 100]
 * Samples real containers and prints the CPU time of this process per sample, all its threads together, and what 1,000
 * containers every 10 s would cost: that line is a multiplication, not a measurement. The second half is a sweep over as
 * many samples as that, taken over and over of the same containers. Exit code 1 when a program was started.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { createRuntimeOci, type RuntimeOci } from '../src/impl/oci/runtime-oci.ts'
import { silentLogger } from '../src/surroundings/logger.ts'
import type { Config, Container } from '../src/index.ts'
import { noExits } from '../test/impl/oci/no-exits.ts'
import { openRealRuntime } from './real-runtime.ts'

const { values } = parseArgs({
  options: {
    runtime: { type: 'string', default: 'crun' },
    containers: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '100' },
  },
})
const sweepSamples = 1000
const sweepPeriodSeconds = 10

let started = 0
const countsStart = () => {
  started += 1
  return Promise.reject(new Error('a sample started a program'))
}

/** Nothing can be started through it. */
function openSampler(config: Config): RuntimeOci {
  return createRuntimeOci({
    config,
    launcher: { run: countsStart, spawnMonitor: countsStart, attend: countsStart },
    exits: noExits(),
    logger: silentLogger,
  })
}

const real = await openRealRuntime(values.runtime)
const containers: Container[] = []
for (let made = 0; made < Number(values.containers); made += 1) {
  const container = await real.makeContainer(['/bin/sleep', '1000'])
  await real.runtime.createContainer(container)
  await real.runtime.startContainer(container)
  containers.push(container)
}
const sampler = openSampler(real.config)
const options = { signal: new AbortController().signal }
const sweep = (all: readonly Container[]) =>
  Promise.all(all.map((container) => sampler.stats(container, options)))

for (let round = 0; round < 20; round += 1) await sweep(containers)

const rounds = Number(values.rounds)
const samples = rounds * containers.length
const beganMs = performance.now()
const beganLoop = performance.eventLoopUtilization()
const beganCpu = process.cpuUsage()
for (let round = 0; round < rounds; round += 1) await sweep(containers)
const cpu = process.cpuUsage(beganCpu)
const loop = performance.eventLoopUtilization(beganLoop)
const tookMs = performance.now() - beganMs
const cpuUs = (cpu.user + cpu.system) / samples

const delays = monitorEventLoopDelay({ resolution: 1 })
delays.enable()
const many = Array.from({ length: sweepSamples }, (_, index) => containers[index % containers.length])
const sweepBeganMs = performance.now()
await sweep(many.filter((container) => container !== undefined))
const sweepMs = performance.now() - sweepBeganMs
delays.disable()

await sampler.close()
for (const container of containers) await real.runtime.deleteContainer(container)
await real.close()

const perSecond = sweepSamples / sweepPeriodSeconds
process.stdout.write(
  [
    `${values.runtime}, ${containers.length} containers, ${samples} samples`,
    `  per sample      ${cpuUs.toFixed(0)} µs of CPU time (user ${(cpu.user / samples).toFixed(0)}, system ${(cpu.system / samples).toFixed(0)}), ${((tookMs * 1000) / samples).toFixed(0)} µs of time`,
    `  event loop      ${((loop.active * 1000) / samples).toFixed(0)} µs per sample`,
    `  extrapolated    ${sweepSamples} containers every ${sweepPeriodSeconds} s: ${((cpuUs * perSecond) / 10_000).toFixed(1)} % of one CPU`,
    `  ${sweepSamples} at once    answered in ${sweepMs.toFixed(0)} ms, longest block of the event loop ${(delays.max / 1e6).toFixed(1)} ms`,
    `  spawned         ${started}`,
    '',
  ].join('\n'),
)
process.exitCode = started === 0 ? 0 : 1
