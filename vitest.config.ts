import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig } from 'vitest/config'
import { closingLineReporter } from './test/support/closing-line.ts'
import { edgeCoverageReporter } from './test/support/edge-coverage.ts'
import { patience } from './test/support/patience.ts'

/** Tests that start real containers, or that judge the whole host and so have to be alone on it. */
const realTests = [
  'test/contract/**/*.test.ts',
  'test/e2e/**/*.test.ts',
  'test/hosts/**/*.test.ts',
  'test/impl/launcher/conmon.test.ts',
  'test/support/leak-gate.test.ts',
  'test/**/*.real.test.ts',
]

/** Set inside the hosts that npm run test:hosts and test:fresh boot. There test/hosts is run as well. */
const isEmulatedHost = process.env['OCI_SUPERVISOR_HOST'] === 'systemd'
const needsSystemd = isEmulatedHost ? [] : ['test/hosts/**']

/**
 * Set by what builds first, npm test and npm run test:hosts: tests of `real` are then of what is published (dist). Each of
 * them starts helper programs, which for a program of sources have to take the types off first: half a second every time.
 */
const areOfPublished = process.env['OCI_SUPERVISOR_TESTED'] === 'dist'
/** A file for vitest's report, for commands that have to be given as the README has them (npm run test:fresh). */
const reportFile = process.env['OCI_SUPERVISOR_REPORT']
const report: ['json', { outputFile: string }][] =
  reportFile === undefined ? [] : [['json', { outputFile: reportFile }]]

const published = `${import.meta.dirname}/dist/$1.js`

export default defineConfig({
  resolve: {
    alias: areOfPublished ? [{ find: /^(?:\.\.\/)+src\/(.*)\.ts$/, replacement: published }] : [],
  },
  test: {
    server: { deps: { external: areOfPublished ? [/\/dist\//] : [] } },
    // Many tests wait more than they work, so two at a time are right for two cores too.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    reporters: ['default', edgeCoverageReporter, closingLineReporter, ...report],
    projects: [
      {
        test: {
          name: 'unit',
          pool: 'forks',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...realTests],
          setupFiles: ['test/support/edge-collector.ts'],
          // For what never comes to an end; how long a test takes is for no limit to judge.
          testTimeout: patience(180_000),
          hookTimeout: patience(180_000),
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'real',
          pool: 'forks',
          include: realTests,
          exclude: [...configDefaults.exclude, ...needsSystemd],
          setupFiles: ['test/support/leak-gate.ts', 'test/support/edge-collector.ts'],
          // Two suites on real runtimes at once would slow each other into false timeouts, and each would see the
          // other's processes as leaks.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: patience(180_000),
          hookTimeout: isEmulatedHost ? 300_000 : 180_000,
        },
      },
    ],
  },
})
