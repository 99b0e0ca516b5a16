/**
 * Judges what came back from virtual hosts, one or several that had a share of the files each. The rule is that silence is
 * failure: a host that did not boot, a run that was cut short, a file that was not run, no tests at all, or one that was
 * skipped, fail like a test that failed.
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

/** What one host did of it. */
export interface Run {
  /** What vitest exited with; undefined when it never ended. */
  readonly exitCode: number | undefined
  readonly report: Report | undefined
}

export interface Evidence {
  readonly runs: readonly Run[]
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

export function judgeResults({ runs, expectedFiles, chosenByName }: Evidence): Verdict {
  const files = runs.flatMap(({ report }) => report?.testResults ?? [])
  const tests = files.flatMap((file) => file.assertionResults)
  const passedCount = tests.filter(({ status }) => status === 'passed').length
  const isMissing = (file: string): boolean => !files.some(({ name }) => name.endsWith(`/${file}`))
  const complaints = [
    ...runs.filter(({ report }) => report === undefined).map(withoutReport),
    ...files.flatMap((file) => complaintsOf(file, chosenByName)),
    ...expectedFiles.filter(isMissing).map((file) => `${file}: was not run`),
  ]
  if (passedCount === 0) complaints.push('not one test passed')
  // Unhandled errors and the like fail a run without failing a test.
  return { passedCount, complaints: complaints.length > 0 ? complaints : runs.flatMap(badEnd) }
}

function withoutReport({ exitCode }: Run): string {
  const why =
    exitCode === undefined ? 'the host did not come as far as the tests' : `vitest exited with ${exitCode}`
  return `no report of the tests: ${why}`
}

function badEnd({ exitCode, report }: Run): string[] {
  if (exitCode === 0 && report?.success === true) return []
  return [`vitest ${exitCode === undefined ? 'was cut short' : `exited with ${exitCode}`}`]
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
