/** The last step of `npm run test:fresh`. Arguments: `emulated` or `native`; the directory of results; filters. */
import { globSync } from 'node:fs'
import { judgeSteps, testExitCode } from './judge-steps.ts'
import { readRun, tellVerdict, textIfThere } from './report.ts'

const [where = '', directory = '', ...parameters] = process.argv.slice(2)

const steps = textIfThere(directory, 'steps') ?? ''
// Those of test/hosts need systemd, which this machine's kernel does not bring.
const exclude = where === 'native' ? ['test/hosts/**'] : []
tellVerdict({
  where,
  runs: [readRun(directory, testExitCode(steps))],
  files: globSync('test/**/*.test.ts', { exclude }),
  parameters,
  complaints: judgeSteps({ steps, demo: textIfThere(directory, 'demo.log') ?? '' }),
})
