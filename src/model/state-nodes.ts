/** Looks at the definition of a statechart: its states and what each of them defines. */
import type { AnyStateNode } from 'xstate'

type Transition = NonNullable<AnyStateNode['always']>[number]

/** Every state node of a machine, parents first. */
export function nodesOf(root: AnyStateNode): AnyStateNode[] {
  return [root, ...childrenOf(root).flatMap(nodesOf)]
}

/** `a.b.c`, '' for the root. */
export function pathOf(node: AnyStateNode): string {
  return node.path.join('.')
}

/** All transitions that a state defines itself: by events, timers, invokes and at once. */
export function transitionsOf(node: AnyStateNode): Transition[] {
  return [...[...node.transitions.values()].flat(), ...(node.always ?? [])]
}

function childrenOf(node: AnyStateNode): AnyStateNode[] {
  return Object.values<AnyStateNode>(node.states)
}
