/** What the two verdicts share: results are read, judged, and told. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { judgeResults, type Report, type Run } from './judge-results.ts'

/** A file of a host's results; undefined when it did not come as far as to write it. */
export function textIfThere(directory: string, name: string): string | undefined {
  try {
    return readFileSync(join(directory, name), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** `exitCode` is that of vitest, undefined when it did not end. */
export function readRun(directory: string, exitCode: number | undefined): Run {
  const text = textIfThere(directory, 'vitest.json')
  // oxlint-disable-next-line no-unsafe-type-assertion -- vitest's own format; what is missing in it fails the verdict
  return { exitCode, report: text === undefined ? undefined : (JSON.parse(text) as Report) }
}

export interface Evidence {
  /** Names the lane in the last line. */
  readonly where: string
  readonly runs: readonly Run[]
  /** Test files that run there. */
  readonly files: readonly string[]
  /** What vitest was given. Without filters all files have to have run. */
  readonly parameters: readonly string[]
  /** What is wrong beside the tests. */
  readonly complaints: readonly string[]
}

/** Prints the verdict, and makes it the exit code of this program. */
export function tellVerdict({ where, runs, files, parameters, complaints: others }: Evidence): void {
  const nameAt = parameters.findIndex((each) => each === '-t' || each === '--testNamePattern')
  const filters = parameters.filter((each, at) => !each.startsWith('-') && (nameAt < 0 || at !== nameAt + 1))
  const isChosen = (file: string): boolean =>
    filters.length === 0 || filters.some((filter) => file.includes(filter))
  const ofTests = judgeResults({ runs, expectedFiles: files.filter(isChosen), chosenByName: nameAt >= 0 })
  const complaints = [...others, ...ofTests.complaints]
  for (const complaint of complaints) process.stderr.write(`${complaint}\n`)
  process.stdout.write(`${where}: ${ofTests.passedCount} tests passed, ${complaints.length} complaints\n`)
  process.exitCode = complaints.length === 0 ? 0 : 1
}
