/** A machine's transitions as rows of a table: every one of them, also those that only act and are not drawn. */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate'

export interface TransitionRow {
  /** The path of its state; '' for the machine itself. */
  readonly from: string
  /** Empty for one that only acts. Several for one that enters several regions. */
  readonly to: readonly string[]
  /** `container.stop`, `create done`, `after createTimeout`, `at once`. */
  readonly on: string
  readonly guard: string | undefined
  readonly actions: readonly string[]
}

/** In the order in which they are tried: a state's own before those of the states around it are looked at. */
export function transitionRows(machine: AnyStateMachine): TransitionRow[] {
  return nodesOf(machine.root).flatMap(rowsOf)
}

function nodesOf(node: AnyStateNode): AnyStateNode[] {
  return [node, ...Object.values<AnyStateNode>(node.states).flatMap(nodesOf)]
}

function rowsOf(node: AnyStateNode): TransitionRow[] {
  const transitions: readonly AnyTransitionDefinition[] = [
    ...[...node.transitions.values()].flat(),
    ...(node.always ?? []),
  ]
  return transitions.map(({ eventType, target = [], guard, actions }) => ({
    from: node.path.join('.'),
    to: target.map(({ path }) => path.join('.')),
    on: triggerOf(node, String(eventType)),
    guard: guard === undefined ? undefined : nameOf(guard),
    actions: actions.map(nameOf),
  }))
}

function triggerOf(node: AnyStateNode, eventType: string): string {
  if (eventType === '') return 'at once'
  const delay = /^xstate\.after\.(\w+)\./.exec(eventType)?.[1]
  if (delay !== undefined) return `after ${delay}`
  const invoke = node.invoke.find(({ id }) => eventType.endsWith(`.actor.${id}`))
  if (invoke === undefined) return eventType
  return `${nameOf(invoke.src)} ${eventType.startsWith('xstate.done') ? 'done' : 'failed'}`
}

/** What is written in place as a function has no name of its own. */
function nameOf(reference: unknown): string {
  if (typeof reference === 'string') return reference
  const isObject = typeof reference === 'object' && reference !== null && 'type' in reference
  return isObject ? String(reference.type) : 'in place'
}
