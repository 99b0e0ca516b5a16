/**
 * A vitest reporter that ends a run with one plain line, `N passed, N failed, N skipped`, for tools that read the last
 * lines of any test run. With OCI_SUPERVISOR_CLOSING_LINE_FILE set, the line is also written there.
 *
 * What failed outside of a test (a file that cannot be loaded, a hook, an unhandled rejection) counts as one failure
 * each: a run that vitest calls failed never reads `0 failed`.
 */
import { writeFileSync } from 'node:fs'
import type { Reporter, TestModule, TestRunEndReason, TestSuite } from 'vitest/node'

interface Counts {
  passed: number
  failed: number
  skipped: number
}

function countTests(modules: readonly TestModule[], counts: Counts): void {
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      if (state === 'passed') counts.passed += 1
      else if (state === 'failed') counts.failed += 1
      // `pending` at the end: the run was cut short before this test.
      else counts.skipped += 1
    }
    const suites: (TestModule | TestSuite)[] = [module, ...module.children.allSuites()]
    counts.failed += suites.filter((suite) => suite.errors().length > 0).length
  }
}

function closingLine(
  modules: readonly TestModule[],
  unhandledErrorsCount: number,
  reason: TestRunEndReason,
): string {
  const counts: Counts = { passed: 0, failed: unhandledErrorsCount, skipped: 0 }
  countTests(modules, counts)
  if (reason !== 'passed' && counts.failed === 0) counts.failed = 1
  const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`
}

export const closingLineReporter: Reporter = {
  onTestRunEnd(modules, unhandledErrors, reason) {
    const line = closingLine(modules, unhandledErrors.length, reason)
    const file = process.env['OCI_SUPERVISOR_CLOSING_LINE_FILE']
    if (file !== undefined) writeFileSync(file, `${line}\n`)
    // Vitest's own summary is written in the same turn, by a reporter that comes before this one.
    process.stdout.write(`${line}\n`)
  },
}
