/** The last step of `npm run test:hosts`: `verdict.ts RESULTS_DIRECTORY FILTERS…` reads what came back and says what it is worth. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Evidence, judgeResults, type Report } from './judge-results.ts'

const [directory = '', ...parameters] = process.argv.slice(2)
const nameAt = parameters.findIndex((each) => each === '-t' || each === '--testNamePattern')
const filters = parameters.filter((each, at) => !each.startsWith('-') && (nameAt < 0 || at !== nameAt + 1))

function textIfThere(name: string): string | undefined {
  try {
    return readFileSync(join(directory, name), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function readReport(): Report | undefined {
  const text = textIfThere('vitest.json')
  // oxlint-disable-next-line no-unsafe-type-assertion -- vitest's own format; what is missing in it fails the verdict
  return text === undefined ? undefined : (JSON.parse(text) as Report)
}

const status = textIfThere('status')
const evidence: Evidence = {
  exitCode: status === undefined ? undefined : Number(status),
  report: readReport(),
  expectedFiles: globSync('test/{contract,e2e,hosts}/**/*.test.ts').filter((file) =>
    filters.some((filter) => file.includes(filter)),
  ),
  chosenByName: nameAt >= 0,
}
const { passedCount, complaints } = judgeResults(evidence)
for (const complaint of complaints) process.stderr.write(`${complaint}\n`)
process.stdout.write(`hosts: ${passedCount} tests passed, ${complaints.length} complaints\n`)
process.exitCode = complaints.length === 0 ? 0 : 1
