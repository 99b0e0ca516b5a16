/**
 * Takes every edge of the specification machine on one implementation. Where the contract suite tells what is promised,
 * this finds what nobody thought of telling.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { specificationCover, titleOf, walk } from '../machines/specification/walk.ts'
import type { Stage } from '../machines/specification/life.ts'
import type { Patience } from '../machines/specification/patience.ts'
import type { ContractHarness } from './harness.ts'

/** Each may have waited in vain, and a runtime that is broken breaks nearly all of them. */
const failedPathsMax = 5

export function describeSpecification(
  name: string,
  open: () => { readonly harness: ContractHarness; readonly patience: Patience },
): void {
  const { edges, paths, statesCount } = specificationCover

  describe(`the specification on ${name}`, () => {
    const taken = new Set<string>()
    let failedPathsCount = 0
    let stage: Stage

    beforeAll(async () => {
      const { harness, patience } = open()
      stage = { harness, patience, runtime: await harness.openRuntime() }
    })
    // A walk that failed has left its container in the middle of its life.
    afterEach(async () => {
      const { runtime, patience } = stage
      const left = runtime.containers.list()
      await Promise.allSettled(left.map((container) => patience.within(runtime.deleteContainer(container))))
    })
    afterAll(async () => {
      await stage.runtime.close()
      await stage.harness.close()
    })

    for (const [index, path] of paths.entries()) {
      it(`${index + 1}: ${titleOf(path)}`, async () => {
        expect(failedPathsCount, 'paths that have failed before this one').toBeLessThan(failedPathsMax)
        failedPathsCount += 1
        const walked = await walk(stage, path)
        failedPathsCount -= 1
        expect(walked).toHaveLength(path.length)
        for (const { key } of walked) taken.add(key)
      })
    }

    it('has every edge taken', () => {
      const stepsCount = paths.flat().length
      process.stdout.write(
        `the specification on ${name}: ${statesCount} states, ${taken.size} of ${edges.length} edges taken in ${paths.length} paths of ${stepsCount} steps\n`,
      )
      expect([...taken].toSorted()).toEqual(edges.map(({ key }) => key).toSorted())
    })
  })
}
