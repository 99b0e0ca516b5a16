/**
 * Crashes and faults as a program: npm run chaos -- [--seed N] [--minutes M] [--runtime crun|runc|both]
 * [--scenario NAME]… [--victim embedder|launcher|both] [--lanes N] [--choice everyPassage|everyEffect] [--part I/N]
 * --bursts in place of single verbs: 4, 12 and 20 of each at once; --burst N: so many.
 * --faults in place of crashes: disks, runtime binaries, monitors.
 * Again what failed: the line that is printed with it. Exit code 1 on a violation.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { makeRootfs } from '../support/rootfs.ts'
import { replayOf, runCampaign, runOrders, type RunResult } from './campaign.ts'
import { record, type CrashOrder, type CrashOutcome, type Theatre, type VictimName } from './crash-run.ts'
import type { RuntimeName } from './ground.ts'
import { instrumentedCopy } from './instrument/instrumented-copy.ts'
import { createRandom } from './random.ts'
import { burstNames, burstSizes, scenarioNames, type ScenarioName } from './scenarios.ts'
import {
  diskTroubles,
  monitorTroubles,
  operationsIn,
  runtimeTroubles,
  surroundingTroubles,
} from './troubles.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '5' },
    runtime: { type: 'string', default: 'both' },
    scenario: { type: 'string', multiple: true, default: [] },
    victim: { type: 'string', default: 'both' },
    lanes: { type: 'string', default: '2' },
    choice: { type: 'string', default: 'everyPassage' },
    part: { type: 'string', default: '1/1' },
    bursts: { type: 'boolean', default: false },
    burst: { type: 'string' },
    faults: { type: 'boolean', default: false },
    trouble: { type: 'string' },
    point: { type: 'string', multiple: true, default: [] },
    passage: { type: 'string', multiple: true, default: [] },
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

function partOf(value: string): { index: number; count: number } {
  const [number = 0, count = 0] = value.split('/').map(Number)
  if (number >= 1 && number <= count) return { index: number - 1, count }
  throw new Error(`--part is ${value}; it must be like 2/5, the second of five parts`)
}

const handlers = some<RuntimeName>('runtime', values.runtime, ['crun', 'runc'])
const victims = some<VictimName>('victim', values.victim, ['embedder', 'launcher'])
const scenarios: readonly ScenarioName[] =
  values.scenario.length > 0
    ? values.scenario.map((name) => oneOf('scenario', name, scenarioNames))
    : values.bursts
      ? burstNames
      : scenarioNames.filter((name) => name !== 'past' && !isBurst(name))

function isBurst(name: ScenarioName): boolean {
  return burstNames.some((one) => one === name)
}

const bursts: readonly (number | undefined)[] =
  values.burst !== undefined ? [Number(values.burst)] : scenarios.some(isBurst) ? burstSizes : [undefined]
const part = partOf(values.part)
const seed = Number(values.seed)
const random = createRandom(seed)
const directory = mkdtempSync('/tmp/os-')
const theatre: Theatre = { directory, rootfs: makeRootfs(directory), copy: instrumentedCopy() }
const options = {
  theatre,
  lanes: Number(values.lanes),
  limitMs: Number(values.minutes) * 60_000,
  onRun: (order: CrashOrder, outcome: CrashOutcome): void => {
    if (outcome.violations.length > 0) report(order, outcome)
  },
}
const beganMs = performance.now()
try {
  process.exitCode = summarize(await run()) ? 0 : 1
} finally {
  rmSync(directory, { recursive: true, force: true })
}

async function run(): Promise<RunResult> {
  if (values.point.length > 0) return runOrders([crashAgain()], options)
  if (values.faults || values.trouble !== undefined) return runFaults()
  const choice = oneOf('choice', values.choice, ['everyPassage', 'everyEffect'])
  let all: RunResult = { covered: new Set(), runs: 0, failures: [], recoveryMs: [] }
  const limitMs = options.limitMs / bursts.length
  for (const burst of bursts) {
    const which = {
      scenarios,
      handlers,
      victims,
      choice,
      random,
      part,
      ...(burst === undefined ? {} : { burst }),
    }
    const result = await runCampaign({ ...options, limitMs, ...which })
    const size = burst === undefined ? '' : `bursts of ${burst}: `
    print(
      `${size}${result.covered.size} of ${result.known.size} passages died at, ${result.planned} runs planned`,
    )
    all = {
      covered: new Set([...all.covered, ...result.covered]),
      runs: all.runs + result.runs,
      failures: [...all.failures, ...result.failures],
      recoveryMs: [...all.recoveryMs, ...result.recoveryMs],
    }
  }
  return all
}

async function runFaults(): Promise<RunResult> {
  const orders: CrashOrder[] = []
  for (const handler of handlers) {
    const { traces } = await record(theatre, 'life', handler)
    const troubles = [
      ...diskTroubles(operationsIn(traces.embedder)),
      ...runtimeTroubles(),
      ...monitorTroubles(),
      ...surroundingTroubles(),
    ].filter(({ name }) => name.includes(values.trouble ?? ''))
    for (const trouble of troubles) {
      orders.push({ scenario: 'life', handler, victim: 'embedder', crash: undefined, trouble })
    }
  }
  print(`${orders.length} faults, part ${part.index + 1} of ${part.count}`)
  const chosen = random.shuffled(orders).filter((_, index) => index % part.count === part.index)
  return runOrders(chosen, options)
}

function crashAgain(): CrashOrder {
  const plans = values.point.map((point, index) => ({ point, passage: Number(values.passage[index] ?? 1) }))
  const [handler = 'crun'] = handlers
  const [victim = 'embedder'] = victims
  const [scenario = 'create'] = scenarios
  const [burst] = bursts
  return { scenario, handler, victim, burst, crash: plans.at(-1), before: plans.slice(0, -1) }
}

function summarize({ runs, failures, recoveryMs }: RunResult): boolean {
  const times = recoveryMs.toSorted((a, b) => a - b)
  const quantile = (q: number): string => (times[Math.floor((times.length - 1) * q)] ?? 0).toFixed(0)
  print(`seed ${seed}: ${runs} runs in ${Math.round((performance.now() - beganMs) / 1000)} s`)
  print(`  opening the next   median ${quantile(0.5)} ms, p95 ${quantile(0.95)} ms, max ${quantile(1)} ms`)
  print(`  with a violation   ${failures.length}`)
  return failures.length === 0
}

function report(order: CrashOrder, outcome: CrashOutcome): void {
  print(replayOf(order))
  print(`  died at ${outcome.diedAt.length} of these, ${Math.round(outcome.tookMs)} ms`)
  for (const found of outcome.found) print(`  found: ${found}`)
  for (const violation of outcome.violations.slice(0, 12)) print(`  ${violation}`)
  const more = outcome.violations.length - 12
  if (more > 0) print(`  and ${more} more`)
  for (const entry of outcome.journal) if (entry.type === 'failed') print(`  ${JSON.stringify(entry)}`)
}
