/**
 * Judges what came back from a virtual host. The rule is that silence is failure: a host that did not boot, a run that
 * was cut short, a file that was not run, no tests at all, or one that was skipped, fail like a test that failed.
 */

/** The part of vitest's JSON report that is judged. */
export interface Report {
  readonly success: boolean
  readonly testResults: readonly FileResult[]
}

interface FileResult {
  readonly name: string
  readonly status: string
  readonly message?: string
  readonly assertionResults: readonly TestResult[]
}

interface TestResult {
  readonly fullName: string
  readonly status: string
  readonly failureMessages?: readonly string[] | null
}

export interface Evidence {
  /** What vitest exited with; undefined when it never ended. */
  readonly exitCode: number | undefined
  readonly report: Report | undefined
  /** Test files that had to run, as paths from the project's directory. */
  readonly expectedFiles: readonly string[]
  /** Tests were chosen by name, so the others of a file are skipped on purpose. */
  readonly chosenByName: boolean
}

export interface Verdict {
  readonly passedCount: number
  /** What is wrong, one line each; none when all is well. */
  readonly complaints: readonly string[]
}

export function judgeResults({ exitCode, report, expectedFiles, chosenByName }: Evidence): Verdict {
  if (report === undefined) {
    const why =
      exitCode === undefined ? 'the host did not come as far as the tests' : `vitest exited with ${exitCode}`
    return { passedCount: 0, complaints: [`no report of the tests: ${why}`] }
  }
  const tests = report.testResults.flatMap((file) => file.assertionResults)
  const passedCount = tests.filter(({ status }) => status === 'passed').length
  const complaints = [
    ...report.testResults.flatMap((file) => complaintsOf(file, chosenByName)),
    ...expectedFiles
      .filter((file) => !report.testResults.some(({ name }) => name.endsWith(`/${file}`)))
      .map((file) => `${file}: was not run`),
  ]
  if (passedCount === 0) complaints.push('not one test passed')
  // Unhandled errors and the like fail a run without failing a test.
  if (complaints.length === 0 && !(exitCode === 0 && report.success)) {
    complaints.push(`vitest ${exitCode === undefined ? 'was cut short' : `exited with ${exitCode}`}`)
  }
  return { passedCount, complaints }
}

function complaintsOf(file: FileResult, chosenByName: boolean): string[] {
  const { name, status, message = '', assertionResults } = file
  const wrong = assertionResults
    .filter((test) => test.status !== 'passed' && !(chosenByName && isSkipped(test)))
    .map((test) => `${name}: ${test.status}: ${test.fullName}${firstLine(test.failureMessages?.[0])}`)
  if (wrong.length > 0) return wrong
  if (status !== 'passed') return [`${name}: ${status}${firstLine(message)}`]
  return assertionResults.length === 0 ? [`${name}: has no tests`] : []
}

function isSkipped({ status }: TestResult): boolean {
  return status === 'skipped' || status === 'pending'
}

function firstLine(text = ''): string {
  const line = text.split('\n')[0] ?? ''
  return line === '' ? '' : `: ${line}`
}
