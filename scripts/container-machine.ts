/**
 * Writes the picture of the container machine and its transition table into docs. With `--check` it writes nothing, and
 * fails when what is there is not what the machine is now.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { containerMachine } from '../src/machines/container.machine.ts'
import { drawStatechart } from './statechart/draw.ts'
import { transitionRows, type TransitionRow } from './statechart/transitions.ts'

const docs = join(import.meta.dirname, '../docs')
const pictureFile = join(docs, 'container-machine.svg')
const pageFile = join(docs, 'container-machine.md')
const [begin, end] = [
  '<!-- transitions: generated, see npm run docs:machine -->',
  '<!-- end of transitions -->',
]

function tableOf(transitions: readonly TransitionRow[]): string {
  const rows = transitions.map(rowOf)
  return ['| State | On | If | To | Does |', '| --- | --- | --- | --- | --- |', ...rows].join('\n')
}

function rowOf({ from, on, guard = '', to, actions }: TransitionRow): string {
  const state = from === '' ? '(any)' : `\`${from}\``
  const targets = to.map((target) => `\`${target}\``).join(', ')
  return `| ${state} | ${on} | ${guard} | ${targets} | ${actions.join(', ')} |`
}

async function pageWith(table: string): Promise<string> {
  const page = readFileSync(pageFile, 'utf8')
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${pageFile} must hold "${begin}" and, after it, "${end}"`)
  const next = `${page.slice(0, from + begin.length)}\n\n${table}\n\n${page.slice(to)}`
  return format(next, { ...(await resolveConfig(pageFile)), filepath: pageFile })
}

const { svg } = await drawStatechart(containerMachine, { standalone: true })
const wanted = new Map([
  [pictureFile, svg],
  [pageFile, await pageWith(tableOf(transitionRows(containerMachine)))],
])
const stale = [...wanted].filter(([file, content]) => currentOf(file) !== content)
if (process.argv.includes('--check')) {
  for (const [file] of stale)
    console.error(`${file} does not show the machine as it is: npm run docs:machine`)
  process.exitCode = stale.length === 0 ? 0 : 1
} else for (const [file, content] of stale) writeFileSync(file, content)

function currentOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
