/**
 * A machine's definition as a graph to draw: boxes within boxes, and arrows between boxes of one parent only.
 *
 * A transition that leaves its parent, or goes deeper than a neighbour, is drawn between the two neighbours on whose way
 * it lies; transitions of the same way share one arrow. So forty arrows say what a hundred and thirty transitions do, and
 * every level can be laid out by itself. Deliberately not here: transitions without a target, which go nowhere.
 */
import type { AnyStateMachine, AnyStateNode } from 'xstate'

export type TransitionKind = 'command' | 'fact' | 'done' | 'error' | 'after' | 'always'

export interface GraphNode {
  readonly id: string
  readonly name: string
  readonly type: AnyStateNode['type']
  readonly isInitial: boolean
  /** The effects that it invokes, by name. */
  readonly effects: readonly string[]
  readonly children: readonly GraphNode[]
  /** Between its children. */
  readonly edges: readonly GraphEdge[]
}

export interface GraphEdge {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly transitions: readonly GraphTransition[]
}

export interface GraphTransition {
  /** What the inspector's hub names it by: {@link transitionKey}. */
  readonly key: string
  readonly kind: TransitionKind
  /** The event in plain words. */
  readonly label: string
  readonly guard: string | undefined
  /** The state that it leads to in the end. */
  readonly target: string
}

interface Found extends GraphTransition {
  readonly source: AnyStateNode
  readonly target: string
  readonly targetNode: AnyStateNode
}

/** The machine as a tree of boxes; the root is the machine itself. */
export function graphOf(machine: AnyStateMachine): GraphNode {
  const found = allNodes(machine.root).flatMap(transitionsOf)
  const ways = new Map<string, { parent: string; from: string; to: string; transitions: Found[] }>()
  for (const transition of found) {
    const way = wayOf(transition.source, transition.targetNode)
    const key = `${way.from}>${way.to}`
    const known = ways.get(key) ?? { ...way, transitions: [] }
    known.transitions.push(transition)
    ways.set(key, known)
  }
  const edges = [...ways.values()].map((way, index) => ({ ...way, id: `e${index}` }))
  return nodeOf(machine.root, edges)
}

type Way = { readonly parent: string; readonly id: string; readonly from: string; readonly to: string } & {
  readonly transitions: readonly Found[]
}

function nodeOf(node: AnyStateNode, ways: readonly Way[]): GraphNode {
  return {
    id: node.id,
    name: node.key,
    type: node.type,
    isInitial: node.parent?.type === 'compound' && node.parent.initial.target[0] === node,
    effects: node.invoke.map(({ src }) => (typeof src === 'string' ? src : 'effect')),
    children: Object.values(node.states).map((child) => nodeOf(child, ways)),
    edges: ways
      .filter(({ parent }) => parent === node.id)
      .map(({ id, from, to, transitions }) => ({ id, from, to, transitions: transitions.map(plain) })),
  }
}

/** An arrow from a box to a state within it: the box says so in its head. */
export function startsAtParent(node: GraphNode, { from, to }: GraphEdge): boolean {
  return from === node.id || to === node.id
}

function plain({ key, kind, label, guard, target }: Found): GraphTransition {
  return { key, kind, label, guard, target }
}

function allNodes(node: AnyStateNode): AnyStateNode[] {
  return [node, ...Object.values(node.states).flatMap(allNodes)]
}

function transitionsOf(node: AnyStateNode): Found[] {
  const own = [...node.transitions.values()].flat()
  return [...own, ...(node.always ?? [])].flatMap(({ eventType, target = [], guard }) =>
    target.slice(0, 1).map((targetNode) => ({
      key: transitionKey({ eventType: String(eventType), source: node, target }),
      ...wordsOf(String(eventType)),
      guard: guardName(guard),
      source: node,
      target: targetNode.key,
      targetNode,
    })),
  )
}

/** Where the arrow is drawn: between the children of the nearest common parent on whose way the transition lies. */
function wayOf(source: AnyStateNode, target: AnyStateNode): { parent: string; from: string; to: string } {
  const from = pathTo(source)
  const to = pathTo(target)
  let depth = 0
  while (from[depth + 1] !== undefined && from[depth + 1] === to[depth + 1]) depth += 1
  const parent = from[depth] ?? source
  // From a box to a state within it: the box itself is where it starts.
  return { parent: parent.id, from: (from[depth + 1] ?? parent).id, to: (to[depth + 1] ?? parent).id }
}

function pathTo(node: AnyStateNode): AnyStateNode[] {
  return [...(node.parent === undefined ? [] : pathTo(node.parent)), node]
}

/** Names a transition by what stands in its definition; several that differ by their guard only share a name. */
function transitionKey(transition: {
  readonly eventType: string
  readonly source: { readonly id: string }
  readonly target?: readonly { readonly id: string }[] | undefined
}): string {
  const targets = (transition.target ?? []).map(({ id }) => id).join('+')
  return `${transition.source.id}|${transition.eventType}|${targets}`
}

function wordsOf(eventType: string): { kind: TransitionKind; label: string } {
  if (eventType === '') return { kind: 'always', label: '' }
  if (eventType.startsWith('xstate.done.')) return { kind: 'done', label: 'done' }
  if (eventType.startsWith('xstate.error.')) return { kind: 'error', label: 'failed' }
  const [, delay] = /^xstate\.after\.([A-Za-z0-9]+)/.exec(eventType) ?? []
  if (delay !== undefined) return { kind: 'after', label: spaced(delay) }
  const [first = '', second = ''] = eventType.split('.')
  const isCommand = first === 'container' && second !== 'exited' && second !== 'observed'
  if (first === 'container') return { kind: isCommand ? 'command' : 'fact', label: second }
  return { kind: 'fact', label: `${first} ${second}` }
}

function guardName(guard: unknown): string | undefined {
  if (guard === undefined) return undefined
  return typeof guard === 'string' ? spaced(guard) : 'as seen'
}

/** `createTimeout` as `create timeout`. */
function spaced(name: string): string {
  return name.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}
