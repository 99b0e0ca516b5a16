/**
 * `npm run mutate`: how many small defects of the machines, the actors and the exit stream the unit tests find.
 *
 *   --only PATH      the sources whose path begins with it
 *   --sample N       so many of the mutants, chosen by
 *   --seed S         (1)
 *   --seeded         only the races and faults that are seeded by hand (seeded.ts)
 *   --verbose        survivors as soon as they are known
 *   --workers N      processes at once (2)
 */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { accepted } from './accepted.ts'
import { survey, tryAll, trySeededMutant, type Verdict } from './campaign.ts'
import type { Mutant } from './mutated-source.ts'
import { mutatedSources } from './mutated-sources.ts'
import { project } from './scope.ts'
import { seededMutants } from './seeded.ts'

/** Of all mutants that are tried and not accepted. */
const scoreMinPercent = 90

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
    seeded: { type: 'boolean', default: false },
    workers: { type: 'string', default: '2' },
  },
})

const { mutants } = mutatedSources()
const chosen = chosenOf(mutants)
const verdicts = new Map<number, Verdict>()
const beganMs = performance.now()

function tell(line: string): void {
  process.stdout.write(`${line}\n`)
}

function chosenOf(all: readonly Mutant[]): number[] {
  const inScope = all.flatMap(({ file }, number) => (file.startsWith(values.only) ? [number] : []))
  if (values.sample === undefined) return inScope
  const rank = (number: number): string =>
    createHash('sha256')
      .update(`${values.seed} ${nameOf(all[number])}`)
      .digest('hex')
  const ranked = inScope.map((number) => ({ number, rank: rank(number) }))
  const drawn = ranked.toSorted((a, b) => (a.rank < b.rank ? -1 : 1)).slice(0, Number(values.sample))
  return drawn.map(({ number }) => number).toSorted((a, b) => a - b)
}

function nameOf(mutant: Pick<Mutant, 'file' | 'within' | 'change'> | undefined): string {
  return mutant === undefined ? '' : `${mutant.file} ${mutant.within}: ${mutant.change}`
}

function rowOf(name: string, numbers: readonly number[]): string {
  const killed = numbers.filter((number) => verdicts.get(number)?.kind === 'killed').length
  const percent = numbers.length === 0 ? 100 : (100 * killed) / numbers.length
  return `${name.padEnd(42)} ${String(killed).padStart(5)} of ${String(numbers.length).padStart(5)} ${percent.toFixed(1).padStart(6)} %`
}

/** How many of them no test has noticed. */
async function trySeeded(): Promise<number> {
  let escapedCount = 0
  for (const mutant of seededMutants) {
    const failure = await trySeededMutant(mutant, surveyed)
    if (failure === undefined) escapedCount += 1
    tell(
      `${failure === undefined ? 'ESCAPED' : 'caught '} ${mutant.name} (${mutant.law})${failure === undefined ? '' : `: ${failure}`}`,
    )
  }
  return escapedCount
}

function report(): number {
  const reasons = new Map(accepted.map((one) => [nameOf(one), one.why]))
  const counted = chosen.filter((number) => !reasons.has(nameOf(mutants[number])))
  const survivors = chosen.filter((number) => verdicts.get(number)?.kind === 'survived')
  const complaints: string[] = []
  for (const [name] of reasons) {
    const number = mutants.findIndex((mutant) => nameOf(mutant) === name)
    if (number === -1) complaints.push(`accepted, and no mutant: ${name}`)
    if (verdicts.get(number)?.kind === 'killed') complaints.push(`accepted, and killed: ${name}`)
  }
  for (const [file, numbers] of Map.groupBy(counted, (number) => mutants[number]?.file ?? '')) {
    tell(rowOf(file, numbers))
  }
  tell(rowOf('all', counted))
  tell(`${chosen.length - counted.length} more are accepted as they are (test/mutants/accepted.ts)`)
  for (const number of survivors) {
    const mutant = mutants[number]
    const verdict = verdicts.get(number)
    if (mutant === undefined || verdict?.kind !== 'survived' || reasons.has(nameOf(mutant))) continue
    const { file, line, within, change } = mutant
    const why = verdict.testsCount === 0 ? ' (no test comes by)' : ''
    tell(`survived: ${file}:${line} ${within}: ${change}${why}`)
  }
  for (const complaint of complaints) tell(complaint)
  const killed = counted.filter((number) => verdicts.get(number)?.kind === 'killed').length
  return complaints.length > 0 || killed < (counted.length * scoreMinPercent) / 100 ? 1 : 0
}

const surveyed = await survey(tell)
const escaped = await trySeeded()
if (values.seeded) process.exit(escaped === 0 ? 0 : 1)
tell(`${chosen.length} mutants of ${mutants.length}`)
const queues = Array.from({ length: Number(values.workers) }, (): number[] => [])
for (const [index, number] of chosen.entries()) queues[index % queues.length]?.push(number)
await Promise.all(
  queues.map((queue) =>
    tryAll(queue, surveyed, (number, verdict) => {
      verdicts.set(number, verdict)
      if (values.verbose && verdict.kind === 'survived') tell(`survives: ${nameOf(mutants[number])}`)
      if (verdicts.size % 100 === 0) {
        tell(`${verdicts.size} tried, ${Math.round((performance.now() - beganMs) / 1000)} s`)
      }
    }),
  ),
)
process.exitCode = Math.max(report(), Math.min(1, escaped))
const lines = chosen.map((number) => ({ ...mutants[number], verdict: verdicts.get(number) }))
writeFileSync(join(project, '.cache/mutants/report.json'), JSON.stringify(lines, undefined, 1))
