/** The last step of `npm run test:hosts`. Arguments: directories of results, one of each host, parted by colons; filters. */
import { globSync } from 'node:fs'
import { readRun, tellVerdict, textIfThere } from './report.ts'

const [directories = '', ...parameters] = process.argv.slice(2)

const runs = directories.split(':').map((directory) => {
  const status = /^\d+$/m.exec(textIfThere(directory, 'status') ?? '')?.[0]
  return readRun(directory, status === undefined ? undefined : Number(status))
})
const files = globSync('test/{contract,e2e,hosts}/**/*.test.ts')
tellVerdict({ where: 'hosts', runs, files, parameters, complaints: [] })
