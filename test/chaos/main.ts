/**
 * The crash campaign as a program: npm run chaos -- [--seed N] [--minutes M] [--runtime crun|runc|both]
 * [--scenario NAME]… [--victim embedder|launcher|both] [--lanes N] [--choice everyPassage|everyEffect]
 * One crash again: --scenario NAME --runtime NAME --victim NAME --point POINT --passage K
 * Exit code 1 on a violation.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { makeRootfs } from '../support/rootfs.ts'
import { replayOf, runCampaign } from './campaign.ts'
import { crashRun, type CrashOrder, type CrashOutcome, type Theatre, type VictimName } from './crash-run.ts'
import type { RuntimeName } from './ground.ts'
import { instrumentedCopy } from './instrument/instrumented-copy.ts'
import { createRandom } from './random.ts'
import { scenarioNames, type ScenarioName } from './scenarios.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '5' },
    runtime: { type: 'string', default: 'both' },
    scenario: { type: 'string', multiple: true, default: [] },
    victim: { type: 'string', default: 'both' },
    lanes: { type: 'string', default: '2' },
    choice: { type: 'string', default: 'everyPassage' },
    point: { type: 'string' },
    passage: { type: 'string', default: '1' },
  },
})

const print = (line: string): boolean => process.stdout.write(`${line}\n`)

function oneOf<T extends string>(option: string, value: string, names: readonly T[]): T {
  const found = names.find((name) => name === value)
  if (found !== undefined) return found
  throw new Error(`--${option} is ${value}; it must be one of ${names.join(', ')}`)
}

function some<T extends string>(option: string, value: string, names: readonly T[]): readonly T[] {
  return value === 'both' ? names : [oneOf(option, value, names)]
}

const handlers = some<RuntimeName>('runtime', values.runtime, ['crun', 'runc'])
const victims = some<VictimName>('victim', values.victim, ['embedder', 'launcher'])
const scenarios: readonly ScenarioName[] =
  values.scenario.length > 0
    ? values.scenario.map((name) => oneOf('scenario', name, scenarioNames))
    : scenarioNames.filter((name) => name !== 'past')

const directory = mkdtempSync('/tmp/os-')
const theatre: Theatre = { directory, rootfs: makeRootfs(directory), copy: instrumentedCopy() }
try {
  process.exitCode = values.point === undefined ? await campaign() : await replay(values.point)
} finally {
  rmSync(directory, { recursive: true, force: true })
}

async function campaign(): Promise<number> {
  const seed = Number(values.seed)
  const beganMs = performance.now()
  const result = await runCampaign({
    theatre,
    scenarios,
    handlers,
    victims,
    choice: oneOf('choice', values.choice, ['everyPassage', 'everyEffect']),
    random: createRandom(seed),
    lanes: Number(values.lanes),
    limitMs: Number(values.minutes) * 60_000,
    onRun: (order, outcome) => {
      if (outcome.violations.length > 0) report(order, outcome)
    },
  })
  const times = result.recoveryMs.toSorted((a, b) => a - b)
  const quantile = (q: number): string => (times[Math.floor((times.length - 1) * q)] ?? 0).toFixed(0)
  print(`seed ${seed}: ${result.runs} runs in ${Math.round((performance.now() - beganMs) / 1000)} s`)
  print(
    `  passages    ${result.covered.size} of ${result.known.size} died at, ${result.planned} runs planned`,
  )
  print(`  recovery    median ${quantile(0.5)} ms, p95 ${quantile(0.95)} ms, max ${quantile(1)} ms`)
  print(`  violations  ${result.failures.length} runs`)
  return result.failures.length === 0 ? 0 : 1
}

async function replay(point: string): Promise<number> {
  const [handler = 'crun'] = handlers
  const [victim = 'embedder'] = victims
  const [scenario = 'create'] = scenarios
  const order: CrashOrder = { scenario, handler, victim, crash: { point, passage: Number(values.passage) } }
  const outcome = await crashRun(theatre, order)
  report(order, outcome)
  return outcome.violations.length === 0 ? 0 : 1
}

function report(order: CrashOrder, outcome: CrashOutcome): void {
  print(replayOf(order))
  print(`  ${outcome.reached ? 'reached' : 'not reached'}, ${Math.round(outcome.tookMs)} ms`)
  for (const found of outcome.found) print(`  found: ${found}`)
  for (const violation of outcome.violations.slice(0, 12)) print(`  ${violation}`)
  const more = outcome.violations.length - 12
  if (more > 0) print(`  and ${more} more`)
  for (const entry of outcome.journal) if (entry.type === 'failed') print(`  ${JSON.stringify(entry)}`)
}
