import { describe, expect, it } from 'vitest'
import { SimulatedClock } from '../../../src/testing.ts'
import { openSimHarness } from '../../contract/sim-harness.ts'
import { mutants, type Mutant } from './mutants.ts'
import { simulatedPatience } from './patience.ts'
import { specificationCover, titleOf, walk } from './walk.ts'

/** The event after which the first walk fails, undefined when none does. */
async function firstToFail({
  wrap,
  front = (runtime) => runtime,
}: Omit<Mutant, 'name' | 'shows'>): Promise<string | undefined> {
  const clock = new SimulatedClock()
  const harness = openSimHarness({ clock, ...(wrap === undefined ? {} : { wrap }) })
  const runtime = await harness.openRuntime()
  try {
    const stage = { harness, runtime: front(runtime), patience: simulatedPatience(clock, 60_000) }
    for (const path of specificationCover.paths) {
      const failure = await walk(stage, path).then(() => undefined, messageOf)
      if (failure !== undefined) return eventIn(failure)
    }
    return undefined
  } finally {
    await runtime.close()
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** `after create → start: …` */
function eventIn(failure: string): string {
  return /^after (?:[\w.]+ → )*([\w.]+): /.exec(failure)?.[1] ?? failure
}

describe('the walk over the specification', () => {
  it('finds nothing wrong with the simulated runtime', async () => {
    expect(await firstToFail({})).toBeUndefined()
  })

  for (const { name, shows, ...mutant } of mutants) {
    it(`notices when ${name}`, async () => {
      expect(await firstToFail(mutant)).toBe(shows)
    })
  }

  it('has a name for each of its paths', () => {
    const titles = specificationCover.paths.map(titleOf)
    expect(new Set(titles).size).toBe(titles.length)
  })
})
