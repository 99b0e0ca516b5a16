/** What is mutated, and by which tests. */
import { globSync } from 'node:fs'
import { join } from 'node:path'

export const project = join(import.meta.dirname, '../..')

export const mutatedFiles: readonly string[] = ['src/machines/*.ts', 'src/actors/**/*.ts']
  .flatMap((pattern) => globSync(pattern, { cwd: project }))
  .toSorted()

/**
 * Those that start processes with the sources as they are, or judge other tests, could see no mutant; the exploration
 * could, and takes half a minute.
 */
const blind = new Set([
  'test/runtime/keep-alive.test.ts',
  'test/machines/exhaustive/exploration.test.ts',
  'test/machines/specification/mutants.test.ts',
])

/** The fast ones first: a mutant falls to the first that fails. */
export const testFiles: readonly string[] = [
  'test/actors/**/*.test.ts',
  'test/machines/*.test.ts',
  'test/machines/specification/*.test.ts',
  'test/runtime/*.test.ts',
  'test/simulation/races.property.test.ts',
  'test/contract/sim.test.ts',
  'test/observe/events.test.ts',
  'test/store/survivors.test.ts',
  'test/inspect/hub.test.ts',
  'test/inspect/stately.test.ts',
]
  .flatMap((pattern) => globSync(pattern, { cwd: project }).toSorted())
  .filter((file) => !blind.has(file))
