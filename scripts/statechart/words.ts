/** What stands in a statechart, in how few words, and how wide that is. */
import type { GraphEdge, GraphNode, GraphTransition, TransitionKind } from './graph.ts'

/** Of one line of an arrow's label. */
export const labelHeight = 12
const linesMax = 3

export interface EdgeWords {
  readonly lines: readonly string[]
  readonly width: number
  /** Everything, for whoever points at it. */
  readonly title: string
  readonly kind: TransitionKind
}

/** The label of an arrow: the events of its transitions, the rest as a number. */
export function edgeWords({ from, to, transitions }: GraphEdge): EdgeWords {
  const all = [...new Set(transitions.map(shortly))].filter((text) => text !== '')
  const lines = packed(all)
  const title = [`${withoutMachine(from)} → ${withoutMachine(to)}`, ...new Set(transitions.map(fully))].join(
    '\n',
  )
  return { lines, width: Math.max(0, ...lines.map(noteWidth)) + 4, title, kind: kindOf(transitions) }
}

function withoutMachine(id: string): string {
  return id.split('.').slice(1).join('.')
}

/** Guards are told only where they are all there is to tell. */
function shortly({ kind, label, guard }: GraphTransition): string {
  if (kind === 'always') return guard === undefined ? 'else' : guard
  return label
}

function fully({ label, guard, target }: GraphTransition): string {
  const condition = guard === undefined ? '' : ` [${guard}]`
  return `${label === '' ? 'at once' : label}${condition} → ${target}`
}

function packed(texts: readonly string[]): string[] {
  const lines: string[] = []
  for (const text of texts) {
    const last = lines.at(-1)
    if (last !== undefined && noteWidth(`${last}, ${text}`) <= 92)
      lines[lines.length - 1] = `${last}, ${text}`
    else lines.push(text)
  }
  if (lines.length <= linesMax) return lines
  return [...lines.slice(0, linesMax - 1), `+ ${lines.length - linesMax + 1} more`]
}

/** What is most to be noticed: a command before what happens by itself, a success before a failure. */
function kindOf(transitions: readonly GraphTransition[]): TransitionKind {
  const order: readonly TransitionKind[] = ['done', 'command', 'fact', 'always', 'after', 'error']
  return order.find((kind) => transitions.some((transition) => transition.kind === kind)) ?? 'always'
}

export function effectText({ effects }: GraphNode): string | undefined {
  return effects.length === 0 ? undefined : effects.join(', ')
}

/** Fonts differ; too wide is harmless, too narrow is not. */
export function nameWidth(text: string): number {
  return text.length * 7
}

export function noteWidth(text: string): number {
  return text.length * 5.5
}
