/** `npm run simulate -- --seed N --steps M [--print]`: one history, its hash last. */
import { parseArgs } from 'node:util'
import { Simulation } from './simulation.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    steps: { type: 'string', default: '5000' },
    containers: { type: 'string', default: '200' },
    print: { type: 'boolean', default: false },
  },
})
const [seed, steps, containersMax] = [Number(values.seed), Number(values.steps), Number(values.containers)]
const write = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

write(`seed ${seed}, ${steps} steps, up to ${containersMax} containers at a time`)
const startedMs = performance.now()
const result = await new Simulation({
  seed,
  steps,
  containersMax,
  ...(values.print ? { onLine: write } : {}),
}).run()
const seconds = (performance.now() - startedMs) / 1000
const { containersCount, restartsCount, eventsCount, simulatedMs, violations, hash } = result
write(
  `${containersCount} containers, ${restartsCount} restarts, ${Math.round(simulatedMs / 1000)} simulated s in ${seconds.toFixed(1)} s, ${eventsCount} events, ${Math.round(eventsCount / seconds)} simulated events/s`,
)
for (const violation of violations) write(`violated: ${violation}`)
write(hash)
process.exitCode = violations.length === 0 ? 0 : 1
