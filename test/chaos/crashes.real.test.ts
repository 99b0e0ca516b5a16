/**
 * Supervisors killed at fixed, chosen places, and what comes after them. The long campaign is `npm run chaos`; it repeats
 * any failure of this one by the line that is printed with it. docs/reliability.md has the whole picture.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { makeRootfs } from '../support/rootfs.ts'
import { makeTempRoot } from '../support/temp-root.ts'
import { replayOf, runCampaign, runOrders, type RunResult } from './campaign.ts'
import { crashRun, record, type Theatre, type VictimName } from './crash-run.ts'
import type { RuntimeName } from './ground.ts'
import { instrumentedCopy } from './instrument/instrumented-copy.ts'
import { createRandom } from './random.ts'
import type { ScenarioName } from './scenarios.ts'
import {
  diskTroubles,
  monitorTroubles,
  operationsIn,
  runtimeTroubles,
  surroundingTroubles,
} from './troubles.ts'

const seed = 1
const lanes = 2
const limitMs = 170_000

let theatre: Theatre
beforeAll(() => {
  const directory = makeTempRoot()
  theatre = { directory, rootfs: makeRootfs(directory), copy: instrumentedCopy() }
})

/** One line for each violation, with what repeats it. */
function violationsOf({ failures }: RunResult): string[] {
  return failures.flatMap(({ order, outcome }) =>
    outcome.violations.map((violation) => `${violation}\n  ${replayOf(order)}`),
  )
}

describe('a supervisor that is killed', () => {
  it.each<[ScenarioName, RuntimeName, VictimName, number]>([
    ['create', 'crun', 'embedder', 9],
    ['create', 'crun', 'launcher', 3],
    ['start', 'crun', 'embedder', 4],
    ['start', 'crun', 'launcher', 3],
    ['exit', 'crun', 'embedder', 4],
    ['stop', 'crun', 'embedder', 4],
    ['exec', 'crun', 'embedder', 4],
    ['delete', 'crun', 'embedder', 5],
    ['forcedDelete', 'crun', 'embedder', 3],
    ['recovery', 'crun', 'embedder', 2],
    ['create', 'runc', 'embedder', 4],
    ['start', 'runc', 'embedder', 2],
    ['delete', 'runc', 'embedder', 2],
  ])(
    'in %s, on %s (the %s, at %i places) harms no container',
    async (scenario, handler, victim, runsMax) => {
      const choice = 'everyEffect'
      const random = createRandom(seed)
      const which = { scenarios: [scenario], handlers: [handler], victims: [victim], runsMax }
      const result = await runCampaign({ theatre, lanes, limitMs, choice, random, ...which })
      expect(violationsOf(result)).toEqual([])
      expect(result.runs).toBe(result.planned)
      expect(result.covered.size).toBeGreaterThan(0)
    },
    180_000,
  )

  it.each<[ScenarioName, number, RuntimeName, VictimName, number]>([
    ['createBurst', 12, 'crun', 'embedder', 2],
    ['createBurst', 4, 'runc', 'launcher', 1],
    ['deleteBurst', 4, 'crun', 'embedder', 1],
  ])(
    'in a %s of %i, on %s (the %s, at %i places) harms no container',
    async (scenario, burst, handler, victim, runsMax) => {
      const random = createRandom(seed)
      const which = { scenarios: [scenario], burst, handlers: [handler], victims: [victim], runsMax }
      const result = await runCampaign({ theatre, lanes, limitMs, choice: 'everyEffect', random, ...which })
      expect(violationsOf(result)).toEqual([])
      expect(result.runs).toBe(result.planned)
      expect(result.covered.size).toBeGreaterThan(0)
    },
    180_000,
  )

  it('has to be recovered from: without, this test sees all that is lost', async () => {
    const crash = { point: 'runtime:startContainer:1>', passage: 1 }
    const survivor = { recovers: false, patienceMs: 100 }
    const where = { scenario: 'start', handler: 'crun', victim: 'embedder' } as const
    const { violations } = await crashRun(theatre, { ...where, crash, survivor })
    expect(violations.join('\n')).toMatch(/is unknown after recovery(.|\n)*process(.|\n)*cgroup(.|\n)*file/)
  })
})

describe('a supervisor in trouble', () => {
  it('with its disk, its runtime or a monitor keeps its containers in order', async () => {
    const { traces } = await record(theatre, 'life', 'crun')
    const random = createRandom(seed)
    const troubles = [
      ...random.shuffled(diskTroubles(operationsIn(traces.embedder))).slice(0, 4),
      ...random.shuffled(runtimeTroubles()).slice(0, 2),
      ...random.shuffled(monitorTroubles()).slice(0, 3),
      ...random.shuffled(surroundingTroubles()).slice(0, 2),
    ]
    const where = { scenario: 'life', handler: 'crun', victim: 'embedder', crash: undefined } as const
    const result = await runOrders(
      troubles.map((trouble) => ({ ...where, trouble })),
      { theatre, lanes, limitMs },
    )
    expect(violationsOf(result)).toEqual([])
    expect(result.runs).toBe(troubles.length)
  }, 180_000)
})
