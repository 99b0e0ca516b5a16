/** A machine's statechart as a picture. The inspector's page and the documents are drawn by the same hand. */
import { createHash } from 'node:crypto'
import type { AnyStateMachine } from 'xstate'
import { graphOf, type GraphNode } from './graph.ts'
import { layOut } from './layout.ts'
import { statechartStyle } from './style.ts'
import { statechartSvg } from './svg.ts'

export interface Statechart {
  /** Of what is drawn: the same machine has the same hash. */
  readonly hash: string
  readonly svg: string
  /** The arrow (`data-edge`) of every transition by its key. */
  readonly edges: Readonly<Record<string, string>>
}

/** `standalone` brings its own style, for a document; a page has one. */
export async function drawStatechart(
  machine: AnyStateMachine,
  { standalone = false }: { readonly standalone?: boolean } = {},
): Promise<Statechart> {
  const graph = graphOf(machine)
  const hash = createHash('sha256').update(JSON.stringify(graph)).digest('hex').slice(0, 16)
  const svg = statechartSvg(await layOut(graph), `statechart of the ${machine.id} machine`)
  const styled = standalone ? svg.replace('>\n', `>\n<style>${statechartStyle}</style>\n`) : svg
  return { hash, svg: `${styled}\n`, edges: Object.fromEntries(keysOf(graph)) }
}

function keysOf({ edges, children }: GraphNode): [string, string][] {
  const own = edges.flatMap(({ id, transitions }) =>
    transitions.map(({ key }): [string, string] => [key, id]),
  )
  return [...own, ...children.flatMap(keysOf)]
}
