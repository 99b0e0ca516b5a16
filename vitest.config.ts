import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig } from 'vitest/config'
import { closingLineReporter } from './test/support/closing-line.ts'
import { edgeCoverageReporter } from './test/support/edge-coverage.ts'

/** Tests that start real containers, or that judge the whole host and so have to be alone on it. */
const realTests = [
  'test/contract/**/*.test.ts',
  'test/e2e/**/*.test.ts',
  'test/hosts/**/*.test.ts',
  'test/impl/launcher/conmon.test.ts',
  'test/support/leak-gate.test.ts',
  'test/**/*.real.test.ts',
]

export default defineConfig({
  test: {
    // Many tests wait more than they work, so two at a time are right for two cores too.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    reporters: ['default', edgeCoverageReporter, closingLineReporter],
    projects: [
      {
        test: {
          name: 'unit',
          pool: 'forks',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...realTests],
          setupFiles: ['test/support/edge-collector.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'real',
          pool: 'forks',
          include: realTests,
          setupFiles: ['test/support/leak-gate.ts', 'test/support/edge-collector.ts'],
          // Two suites on real runtimes at once would slow each other into false timeouts, and each would see the
          // other's processes as leaks.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
