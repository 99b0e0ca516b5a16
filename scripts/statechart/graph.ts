/** A machine's definition as a graph to be drawn: states within states, and edges with what they are taken on. */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate'

export type EdgeKind = 'command' | 'fact' | 'done' | 'failed' | 'after' | 'always'

export interface ChartState {
  /** Its path; '' for the machine itself. */
  readonly id: string
  readonly name: string
  readonly type: AnyStateNode['type']
  readonly isInitial: boolean
  readonly invokes: readonly string[]
  readonly states: readonly ChartState[]
}

export interface ChartEdge {
  readonly from: string
  /** Undefined for an edge that only acts. Several for one that enters several regions. */
  readonly to: readonly string[]
  readonly kind: EdgeKind
  /** `container.stop`, `create done`, `after createTimeout`, `at once`. */
  readonly on: string
  readonly guard: string | undefined
  readonly actions: readonly string[]
}

export interface Chart {
  readonly root: ChartState
  readonly edges: readonly ChartEdge[]
}

export function chartOf(machine: AnyStateMachine): Chart {
  return { root: stateOf(machine.root), edges: nodesOf(machine.root).flatMap(edgesOf) }
}

function stateOf(node: AnyStateNode): ChartState {
  const { parent } = node
  return {
    id: node.path.join('.'),
    name: node.key,
    type: node.type,
    isInitial: parent?.type === 'compound' && (parent.initial.target ?? []).includes(node),
    invokes: node.invoke.map(({ src }) => nameOf(src)),
    states: Object.values<AnyStateNode>(node.states).map(stateOf),
  }
}

function nodesOf(node: AnyStateNode): AnyStateNode[] {
  return [node, ...Object.values<AnyStateNode>(node.states).flatMap(nodesOf)]
}

function edgesOf(node: AnyStateNode): ChartEdge[] {
  const edges: readonly AnyTransitionDefinition[] = [
    ...[...node.transitions.values()].flat(),
    ...(node.always ?? []),
  ]
  return edges.map((edge) => ({
    from: node.path.join('.'),
    to: (edge.target ?? []).map(({ path }) => path.join('.')),
    ...triggerOf(node, String(edge.eventType)),
    guard: edge.guard === undefined ? undefined : nameOf(edge.guard),
    actions: edge.actions.map(nameOf),
  }))
}

function triggerOf(node: AnyStateNode, eventType: string): Pick<ChartEdge, 'kind' | 'on'> {
  if (eventType === '') return { kind: 'always', on: 'at once' }
  const timer = /^xstate\.after\.(\w+)\./.exec(eventType)?.[1]
  if (timer !== undefined) return { kind: 'after', on: `after ${timer}` }
  const invoke = node.invoke.find(({ id }) => eventType.endsWith(`.actor.${id}`))
  if (invoke === undefined) {
    const isCommand = /^container\.(create|start|pause|unpause|stop|delete)$/.test(eventType)
    return { kind: isCommand ? 'command' : 'fact', on: eventType }
  }
  const isDone = eventType.startsWith('xstate.done')
  return { kind: isDone ? 'done' : 'failed', on: `${nameOf(invoke.src)} ${isDone ? 'done' : 'failed'}` }
}

/** What is written in place as a function has no name of its own. */
function nameOf(reference: unknown): string {
  if (typeof reference === 'string') return reference
  const isObject = typeof reference === 'object' && reference !== null && 'type' in reference
  return isObject ? String(reference.type) : 'in place'
}
