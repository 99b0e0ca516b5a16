import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { containerPhases } from '../../../src/container.ts'
import { containerMachine } from '../../../src/machines/container.machine.ts'
import { edgeNameOf, edgesOf } from '../machine-edges.ts'
import { adoptedContainers, newContainer } from './beginnings.ts'
import { explore, type Exploration } from './explore.ts'
import { lawsCount } from './invariants.ts'
import { machineMutants } from './machine-mutants.ts'

/** `npm run explore` sets it, and looks further than CI has time for. */
const thorough = process.env['OCI_SUPERVISOR_OPEN_REQUESTS_MAX']
const openRequestsMax = Number(thorough ?? 2)

const document = readFileSync(join(import.meta.dirname, '../../../docs/container-machine.md'), 'utf8')
const taken = new Set<string>()
const seen = new Set<string>()

const explorations = [
  {
    name: `a new container, up to ${openRequestsMax} open requests`,
    beginnings: [newContainer],
    openRequestsMax,
    faults: true,
  },
  {
    name: 'an adopted container, one open request',
    beginnings: adoptedContainers,
    openRequestsMax: 1,
    faults: true,
  },
  {
    name: `a new container, up to ${openRequestsMax} open requests, nothing goes wrong`,
    beginnings: [newContainer],
    openRequestsMax,
    faults: false,
  },
]

/** Laws of what must become true in the end. */
const wholeGraph = new Set(['everyRequestGetsItsReply', 'everyLifeCanEnd'])

function rowOf(name: string, { configurationsCount, edgesCount }: Exploration): string {
  return `| ${name} | ${configurationsCount} | ${edgesCount} |`
}

describe('the container machine against everything its world may do', () => {
  it.each(explorations)(
    'keeps its laws for $name',
    { timeout: 1_800_000 },
    ({ name, beginnings, ...liberties }) => {
      const exploration = explore(containerMachine, beginnings, { ...liberties, violationsMax: 5 })
      expect(exploration.violations.join('\n\n')).toBe('')
      for (const edge of exploration.taken) taken.add(edgeNameOf(edge))
      for (const phase of exploration.phases) seen.add(phase)
      const row = rowOf(name, exploration)
      process.stdout.write(`${row} under ${lawsCount} laws\n`)
      const rows = document.split('\n').map((line) => line.replaceAll(/ +/g, ' '))
      // Another number of requests is not what the document tells of.
      const kept = thorough === undefined ? rows : [row]
      expect(kept, 'docs/container-machine.md keeps the counts').toContain(row)
    },
  )

  it('sees every phase', () => {
    expect([...seen].toSorted()).toEqual(containerPhases.toSorted())
  })

  it('has every edge taken by some configuration', () => {
    const missing = [...edgesOf(containerMachine.root).keys()].filter((edge) => !taken.has(edge))
    expect(missing).toEqual([])
  })
})

describe('the exploration', () => {
  // What never becomes true is seen in the whole graph only, which takes seconds for each.
  const judgedAtOnce = machineMutants.filter(({ breaks }) => !wholeGraph.has(breaks))
  it.each(thorough === undefined ? judgedAtOnce : machineMutants)(
    'notices when $name',
    { timeout: 300_000 },
    ({ machine, breaks, openRequestsMax: openMax = 1 }) => {
      const { violations } = explore(machine, [newContainer], {
        openRequestsMax: openMax,
        faults: true,
        violationsMax: 1,
      })
      expect(violations[0]?.split(':')[0]).toBe(breaks)
    },
  )

  it('tells of a violation by the shortest way to it', () => {
    const mutant = machineMutants.find(({ name }) => name === 'a start has no limit of time')
    const { violations } = explore(mutant?.machine ?? containerMachine, [newContainer], {
      openRequestsMax: 1,
      faults: true,
      violationsMax: 1,
    })
    expect(violations).toEqual([
      'everyCallHasALimit: start has no limit of time\n  a new container\n  create\n  create succeeds\n  start',
    ])
  })
})
