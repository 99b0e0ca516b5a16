/**
 * A vitest reporter: which edges of the production machine a run has taken, of all its suites together, as a table by
 * state. With OCI_SUPERVISOR_EDGES=required a run that leaves one out fails, but for those listed here.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Reporter } from 'vitest/node'
import { containerMachine } from '../../src/machines/container.machine.ts'
import { edgesOf } from '../machines/machine-edges.ts'

const variable = 'OCI_SUPERVISOR_EDGES'
const directoryVariable = 'OCI_SUPERVISOR_EDGES_DIRECTORY'

/** Edges that no suite takes, each with its reason. */
const exceptions: Readonly<Record<string, string>> = {}

/** Where workers leave what they have seen; inherited by them. */
export const edgesDirectory = process.env[directoryVariable]

export const edgeCoverageReporter: Reporter = {
  onInit() {
    process.env[directoryVariable] = mkdtempSync(join(tmpdir(), 'edges-taken-'))
  },
  onTestRunEnd() {
    const directory = process.env[directoryVariable]
    if (directory === undefined) return
    const taken = takenIn(directory)
    rmSync(directory, { recursive: true, force: true })
    const isRequired = process.env[variable] === 'required'
    if (taken.size === 0 && !isRequired) return
    const missing = report(taken)
    if (!isRequired || missing.length === 0) return
    process.stdout.write(
      `edges that no test takes and that are not listed as exceptions: ${missing.length}\n`,
    )
    process.exitCode = 1
  },
}

function takenIn(directory: string): Set<string> {
  const names = readdirSync(directory).flatMap((file): unknown =>
    JSON.parse(readFileSync(join(directory, file), 'utf8')),
  )
  return new Set(names.filter((name) => typeof name === 'string'))
}

/** Prints the table; returns the edges that are missing without a reason. */
function report(taken: ReadonlySet<string>): string[] {
  const all = [...edgesOf(containerMachine.root).keys()]
  const states = Map.groupBy(all, stateOf)
  const rows = [...states].map(([state, edges]) => {
    const count = edges.filter((edge) => taken.has(edge)).length
    return `${state.padEnd(38)} ${String(count).padStart(3)} of ${String(edges.length).padStart(3)}`
  })
  const missing = all.filter((edge) => !taken.has(edge))
  const lines = [
    'edges of the container machine taken by this run',
    ...rows,
    `${all.length - missing.length} of ${all.length} in all`,
    ...missing.map((edge) => `not taken: ${edge}${edge in exceptions ? ` (${exceptions[edge]})` : ''}`),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  return missing.filter((edge) => !(edge in exceptions))
}

function stateOf(edge: string): string {
  return edge.slice(0, edge.indexOf(' on '))
}
