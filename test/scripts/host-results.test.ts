import { describe, expect, it } from 'vitest'
import { judgeResults, type Evidence, type Report, type Run } from '../../scripts/hosts/judge-results.ts'

const file = 'test/hosts/a.test.ts'
const passed = { fullName: 'a does b', status: 'passed' }

function reportOf(tests: { fullName: string; status: string }[], status = 'passed', success = true): Report {
  return { success, testResults: [{ name: `/project/${file}`, status, assertionResults: tests }] }
}

const run = { exitCode: 0, report: reportOf([passed]) }
const good = { runs: [run], expectedFiles: [file], chosenByName: false }

describe('the results of a virtual host', () => {
  it('are good when every expected file ran and every test passed', () => {
    expect(judgeResults(good)).toEqual({ passedCount: 1, complaints: [] })
  })

  it.each<[string, Partial<Run> & Partial<Evidence>, RegExp]>([
    ['the host did not boot', { exitCode: undefined, report: undefined }, /did not come as far as the tests/],
    ['vitest crashed', { exitCode: 1, report: undefined }, /vitest exited with 1/],
    ['a file was not run', { expectedFiles: [file, 'test/e2e/b.test.ts'] }, /b.test.ts: was not run/],
    [
      'a test failed',
      { exitCode: 1, report: reportOf([{ ...passed, status: 'failed' }], 'failed') },
      /failed: a does b/,
    ],
    [
      'a test was skipped',
      { report: reportOf([passed, { fullName: 'c', status: 'skipped' }]) },
      /skipped: c/,
    ],
    [
      'a test is still to be written',
      { report: reportOf([passed, { fullName: 'c', status: 'todo' }]) },
      /todo: c/,
    ],
    ['a file could not be loaded', { exitCode: 1, report: reportOf([], 'failed', false) }, /failed/],
    ['a file has no tests', { report: reportOf([]) }, /has no tests/],
    ['nothing ran', { report: { success: true, testResults: [] }, expectedFiles: [] }, /not one test passed/],
    ['vitest found an unhandled error', { exitCode: 1 }, /vitest exited with 1/],
    ['vitest was cut short', { exitCode: undefined }, /cut short/],
  ])('are bad when %s', (_, change, complaint) => {
    const { complaints } = judgeResults({ ...good, runs: [{ ...run, ...change }], ...change })
    expect(complaints.join('\n')).toMatch(complaint)
  })

  it('may leave out the tests that nobody chose by name', () => {
    const report = reportOf([passed, { fullName: 'c', status: 'skipped' }])
    expect(judgeResults({ ...good, runs: [{ ...run, report }], chosenByName: true }).complaints).toEqual([])
    const none = { ...run, report: reportOf([{ ...passed, status: 'skipped' }]) }
    expect(judgeResults({ ...good, runs: [none], chosenByName: true }).complaints).toEqual([
      'not one test passed',
    ])
  })

  it('are those of all hosts together', () => {
    const other = 'test/e2e/b.test.ts'
    const second = {
      exitCode: 0,
      report: {
        success: true,
        testResults: [{ name: `/project/${other}`, status: 'passed', assertionResults: [passed] }],
      },
    }
    const both = { ...good, runs: [run, second], expectedFiles: [file, other] }
    expect(judgeResults(both)).toEqual({ passedCount: 2, complaints: [] })
    const lost = judgeResults({ ...both, runs: [run, { exitCode: undefined, report: undefined }] })
    expect(lost.complaints).toEqual([
      'no report of the tests: the host did not come as far as the tests',
      `${other}: was not run`,
    ])
    expect(judgeResults({ ...both, runs: [run, { ...second, exitCode: 1 }] }).complaints).toEqual([
      'vitest exited with 1',
    ])
  })
})
