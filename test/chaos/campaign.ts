/**
 * A crash campaign: records what scenarios pass, chooses where to kill, runs the crashes in lanes and counts.
 *
 * Two ways to choose. `everyPassage`: every distinct passage (a point with its edge), the first time it is met, and one
 * more time by chance where it is met often. `everyEffect`: one passage, by chance, of each stretch between two effects on
 * the world (a changing file operation, a message to another process): crashes within a stretch leave the same world.
 */
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
import type { ScenarioName } from './scenarios.ts'

export type Choice = 'everyPassage' | 'everyEffect'

export interface CampaignOptions {
  readonly theatre: Theatre
  readonly scenarios: readonly ScenarioName[]
  readonly handlers: readonly RuntimeName[]
  readonly victims: readonly VictimName[]
  readonly choice: Choice
  readonly random: Random
  readonly lanes: number
  /** No run begins later. */
  readonly limitMs?: number
  /** At most so many crashes, chosen by chance. */
  readonly runsMax?: number
  readonly onRun?: (order: CrashOrder, outcome: CrashOutcome) => void
}

export interface CampaignResult {
  /** Distinct passages that were recorded, and those a process has died at; `scenario handler victim passage`. */
  readonly known: ReadonlySet<string>
  readonly covered: ReadonlySet<string>
  readonly planned: number
  readonly runs: number
  readonly failures: readonly { readonly order: CrashOrder; readonly outcome: CrashOutcome }[]
  readonly recoveryMs: readonly number[]
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { theatre, random, limitMs = Infinity, runsMax = Infinity, onRun } = options
  const endMs = performance.now() + limitMs
  const known = new Set<string>()
  const covered = new Set<string>()
  const failures: { order: CrashOrder; outcome: CrashOutcome }[] = []
  const recoveryMs: number[] = []
  const orders: CrashOrder[] = []
  let runs = 0
  const note = (order: CrashOrder, outcome: CrashOutcome): void => {
    runs += 1
    if (outcome.reached) covered.add(nameOf(order))
    if (outcome.recoveryMs > 0) recoveryMs.push(outcome.recoveryMs)
    if (outcome.violations.length > 0) failures.push({ order, outcome })
    onRun?.(order, outcome)
  }
  for (const handler of options.handlers) {
    for (const scenario of options.scenarios) {
      const { traces, outcome } = await record(theatre, scenario, handler)
      // A crash at rest, after everything.
      note({ scenario, handler, victim: 'embedder', crash: undefined }, outcome)
      for (const victim of options.victims) {
        const chosen = ordersOf(traces[victim], { scenario, handler, victim }, options)
        for (const passage of new Set(traces[victim].filter(isPassage))) {
          known.add(nameOf({ scenario, handler, victim, crash: { point: passage, passage: 1 } }))
        }
        orders.push(...chosen)
      }
    }
  }
  const queue = random.shuffled(orders).slice(0, runsMax)
  const planned = queue.length
  const lane = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const order = queue.pop()
      if (order === undefined) return
      note(order, await crashRun(theatre, order))
    }
  }
  await Promise.all(Array.from({ length: options.lanes }, lane))
  return { known, covered, planned, runs, failures, recoveryMs }
}

/** The command that repeats a run. */
export function replayOf({ scenario, handler, victim, crash }: CrashOrder): string {
  const where = crash === undefined ? '' : ` --point '${crash.point}' --passage ${crash.passage}`
  return `npm run chaos -- --runtime ${handler} --scenario ${scenario} --victim ${victim}${where}`
}

function nameOf({ scenario, handler, victim, crash }: CrashOrder): string {
  return `${scenario} ${handler} ${victim} ${crash?.point ?? 'at rest'}`
}

function isPassage(line: string): boolean {
  return !line.startsWith('!')
}

type Where = Pick<CrashOrder, 'scenario' | 'handler' | 'victim'>

function ordersOf(trace: readonly string[], where: Where, { choice, random }: CampaignOptions): CrashOrder[] {
  const crashes = choice === 'everyPassage' ? everyPassage(trace, random) : everyEffect(trace, random)
  return crashes.map((crash) => ({ ...where, crash }))
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
