/** Names for the edges of a machine that are the same in every copy of it, and in every process. */
import type { AnyStateNode, AnyTransitionDefinition, InspectionEvent } from 'xstate'
import { nodesOf, pathOf, transitionsOf } from '../../src/model/state-nodes.ts'

/** An actor that takes edges which no test has run. */
export const uncountedActorId = 'explored'

/** `state on event`, with a number where one event has several branches. */
export function edgeNameOf(edge: AnyTransitionDefinition): string {
  const source: AnyStateNode = edge.source
  const eventType = String(edge.eventType)
  const branches = transitionsOf(source).filter((other) => other.eventType === eventType)
  const number = branches.length === 1 ? '' : ` #${branches.indexOf(edge) + 1}`
  return `${pathOf(source) || '(root)'} on ${plainEventOf(source, eventType)}${number}`
}

/** All edges of a machine by name, in the order they are defined. */
export function edgesOf(root: AnyStateNode): Map<string, AnyTransitionDefinition> {
  return new Map(
    nodesOf(root)
      .flatMap(transitionsOf)
      .map((edge) => [edgeNameOf(edge), edge]),
  )
}

/** The edges of one microstep; none of any other inspection event. */
export function edgesTakenIn(event: InspectionEvent): readonly AnyTransitionDefinition[] {
  // XState's only way to tell which edge was taken.
  // oxlint-disable-next-line eslint/no-underscore-dangle
  return event.type === '@xstate.microstep' ? event._transitions : []
}

/** `create done`, `after createTimeout`, `at once`: XState's own names say where they come from at length. */
function plainEventOf(source: AnyStateNode, eventType: string): string {
  if (eventType === '') return 'at once'
  const timer = /^xstate\.after\.(\w+)\./.exec(eventType)?.[1]
  if (timer !== undefined) return `after ${timer}`
  const invoke = source.invoke.find(({ id }) => eventType.endsWith(`.actor.${id}`))
  if (invoke === undefined) return eventType
  const name = typeof invoke.src === 'string' ? invoke.src : 'a logic written in place'
  return `${name} ${eventType.startsWith('xstate.done') ? 'done' : 'failed'}`
}
