/**
 * The last step of `npm run test:hosts` and `npm run test:fresh`: `verdict.ts WHERE RESULTS_DIRECTORIES FILTERS…` reads what
 * came back and says what it is worth. The directories, one of each host, are parted by colons. WHERE is `hosts`, or where
 * the fresh machine was: `emulated` or `native`.
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { judgeResults, type Report } from './judge-results.ts'
import { judgeSteps, testExitCode } from './judge-steps.ts'

const [where = '', directories = '', ...parameters] = process.argv.slice(2)
const nameAt = parameters.findIndex((each) => each === '-t' || each === '--testNamePattern')
const filters = parameters.filter((each, at) => !each.startsWith('-') && (nameAt < 0 || at !== nameAt + 1))

function textIfThere(directory: string, name: string): string | undefined {
  try {
    return readFileSync(join(directory, name), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function readReport(directory: string): Report | undefined {
  const text = textIfThere(directory, 'vitest.json')
  // oxlint-disable-next-line no-unsafe-type-assertion -- vitest's own format; what is missing in it fails the verdict
  return text === undefined ? undefined : (JSON.parse(text) as Report)
}

/** Tests that run there; without filters, all of them have to. Those of test/hosts need systemd. */
function expectedFiles(): string[] {
  const there = globSync(where === 'hosts' ? 'test/{contract,e2e,hosts}/**/*.test.ts' : 'test/**/*.test.ts', {
    exclude: where === 'native' ? ['test/hosts/**'] : [],
  })
  return filters.length === 0
    ? there
    : there.filter((file) => filters.some((filter) => file.includes(filter)))
}

function exitCodeIn(directory: string): number | undefined {
  if (where !== 'hosts') return testExitCode(textIfThere(directory, 'steps') ?? '')
  const status = textIfThere(directory, 'status')
  return status === undefined ? undefined : Number(status)
}

const runs = directories.split(':').map((directory) => ({
  exitCode: exitCodeIn(directory),
  report: readReport(directory),
}))
const ofSteps =
  where === 'hosts'
    ? []
    : judgeSteps({
        steps: textIfThere(directories, 'steps') ?? '',
        demo: textIfThere(directories, 'demo.log') ?? '',
      })
const { passedCount, complaints: ofTests } = judgeResults({
  runs,
  expectedFiles: expectedFiles(),
  chosenByName: nameAt >= 0,
})
const complaints = [...ofSteps, ...ofTests]
for (const complaint of complaints) process.stderr.write(`${complaint}\n`)
process.stdout.write(`${where}: ${passedCount} tests passed, ${complaints.length} complaints\n`)
process.exitCode = complaints.length === 0 ? 0 : 1
