/**
 * A crash campaign: records what scenarios pass, chooses where to kill, runs the crashes in lanes and counts.
 *
 * Two ways to choose. `everyPassage`: every distinct passage (a point with its edge), the first time it is met, and one
 * more time by chance where it is met often. `everyEffect`: one passage, by chance, of each stretch between two effects on
 * the world (a changing file operation, a message to another process): crashes within a stretch leave the same world.
 */
import { createHash } from 'node:crypto'
import {
  crashRun,
  record,
  type CrashOrder,
  type CrashOutcome,
  type Theatre,
  type VictimName,
} from './crash-run.ts'
import type { RuntimeName } from './ground.ts'
import type { Random } from './random.ts'
import { scenarios, type ScenarioName } from './scenarios.ts'

export type Choice = 'everyPassage' | 'everyEffect'

/** How orders are carried out. */
export interface RunOptions {
  readonly theatre: Theatre
  readonly lanes: number
  /** No run begins later. */
  readonly limitMs?: number
  readonly onRun?: (order: CrashOrder, outcome: CrashOutcome) => void
}

export interface RunResult {
  /** What a process has died at; `scenario handler victim passage`. */
  readonly covered: ReadonlySet<string>
  readonly runs: number
  readonly failures: readonly { readonly order: CrashOrder; readonly outcome: CrashOutcome }[]
  readonly recoveryMs: readonly number[]
}

export interface CampaignOptions extends RunOptions {
  readonly scenarios: readonly ScenarioName[]
  readonly handlers: readonly RuntimeName[]
  readonly victims: readonly VictimName[]
  /** How many containers those that are bursts are of. */
  readonly burst?: number
  readonly choice: Choice
  readonly random: Random
  /** Only these passages: every passage is in one of `count` parts, and in the same one whatever was recorded. */
  readonly part?: { readonly index: number; readonly count: number }
  /** At most so many runs of each scenario, chosen by chance. */
  readonly runsMax?: number
}

export interface CampaignResult extends RunResult {
  /** Distinct passages that were recorded. */
  readonly known: ReadonlySet<string>
  readonly planned: number
}

/** Carries out orders in lanes, the first one first. */
export async function runOrders(orders: readonly CrashOrder[], options: RunOptions): Promise<RunResult> {
  const { theatre, limitMs = Infinity, onRun } = options
  const endMs = performance.now() + limitMs
  const covered = new Set<string>()
  const failures: { order: CrashOrder; outcome: CrashOutcome }[] = []
  const recoveryMs: number[] = []
  let runs = 0
  const queue = orders.toReversed()
  const lane = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const order = queue.pop()
      if (order === undefined) return
      const outcome = await crashRun(theatre, order)
      runs += 1
      for (const { point } of outcome.diedAt) covered.add(nameOf(order, point))
      if (outcome.recoveryMs > 0) recoveryMs.push(outcome.recoveryMs)
      if (outcome.violations.length > 0) failures.push({ order, outcome })
      onRun?.(order, outcome)
    }
  }
  await Promise.all(Array.from({ length: options.lanes }, lane))
  return { covered, runs, failures, recoveryMs }
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { theatre, burst, random, runsMax = Infinity, limitMs = Infinity } = options
  const endMs = performance.now() + limitMs
  const known = new Set<string>()
  const orders: CrashOrder[] = []
  for (const handler of options.handlers) {
    for (const scenario of options.scenarios) {
      const { traces, outcome } = await record(theatre, scenario, handler, burst)
      // A crash at rest, after everything.
      const atRest = { scenario, handler, victim: 'embedder', burst, crash: undefined } as const
      if (outcome.violations.length > 0) orders.push(atRest)
      const chosen: CrashOrder[] = []
      for (const victim of options.victims) {
        const where = { scenario, handler, victim, burst }
        chosen.push(...ordersOf(traces[victim], where, options))
        for (const passage of new Set(traces[victim].filter(isPassage))) {
          if (isPartOf(options, where, passage)) known.add(nameOf(where, passage))
        }
      }
      orders.push(...random.shuffled(chosen).slice(0, runsMax))
    }
  }
  const left = { ...options, limitMs: endMs - performance.now() }
  return { ...(await runOrders(random.shuffled(orders), left)), known, planned: orders.length }
}

/** The command that repeats a run. */
export function replayOf(order: CrashOrder): string {
  const { scenario, handler, victim, burst, crash, before = [], trouble } = order
  const plans = [...before, ...(crash === undefined ? [] : [crash])]
  const where = plans.map(({ point, passage }) => ` --point '${point}' --passage ${passage}`).join('')
  const what = trouble === undefined ? '' : ` --trouble '${trouble.name}'`
  const size = burst === undefined ? '' : ` --burst ${burst}`
  return `npm run chaos -- --runtime ${handler} --scenario ${scenario}${size} --victim ${victim}${where}${what}`
}

function nameOf({ scenario, handler, victim, burst }: Where, passage: string): string {
  return `${scenario}${burst ?? ''} ${handler} ${victim} ${passage}`
}

function isPassage(line: string): boolean {
  return !line.startsWith('!')
}

const successorsMax = 6

type Where = Pick<CrashOrder, 'scenario' | 'handler' | 'victim' | 'burst'>

function isPartOf({ part }: CampaignOptions, where: Where, passage: string): boolean {
  if (part === undefined) return true
  const digest = createHash('sha256').update(nameOf(where, passage)).digest()
  return digest.readUInt32BE() % part.count === part.index
}

function ordersOf(trace: readonly string[], where: Where, options: CampaignOptions): CrashOrder[] {
  const { choice, random } = options
  const all = choice === 'everyPassage' ? everyPassage(trace, random) : everyEffect(trace, random)
  const crashes = all.filter(({ point }) => isPartOf(options, where, point))
  if (scenarios[where.scenario].past === undefined) return crashes.map((crash) => ({ ...where, crash }))
  // A past is dear: several supervisors die of it, one after the other.
  const left = random.shuffled(crashes)
  const orders: CrashOrder[] = []
  while (left.length > 0) {
    const [crash, ...before] = left.splice(0, successorsMax)
    orders.push({ ...where, crash, before })
  }
  return orders
}

interface Crash {
  readonly point: string
  readonly passage: number
}

function everyPassage(trace: readonly string[], random: Random): Crash[] {
  const counts = new Map<string, number>()
  for (const line of trace.filter(isPassage)) counts.set(line, (counts.get(line) ?? 0) + 1)
  return [...counts].flatMap(([point, count]) => {
    const first = { point, passage: 1 }
    return count === 1 ? [first] : [first, { point, passage: 2 + random.below(count - 1) }]
  })
}

function everyEffect(trace: readonly string[], random: Random): Crash[] {
  const counts = new Map<string, number>()
  const stretches: Crash[][] = [[]]
  for (const line of trace) {
    if (!isPassage(line)) {
      stretches.push([])
      continue
    }
    const passage = (counts.get(line) ?? 0) + 1
    counts.set(line, passage)
    stretches.at(-1)?.push({ point: line, passage })
  }
  return stretches.flatMap((stretch) => {
    const chosen = stretch[random.below(stretch.length)]
    return chosen === undefined ? [] : [chosen]
  })
}
