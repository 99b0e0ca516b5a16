/**
 * Paths through a small machine that together take each of its edges. An edge is an event in a state; a state is a value
 * with its context.
 *
 * Own and not `getSimplePaths`, whose number explodes, nor `getShortestPaths`, which visits states and takes the edges
 * that lead back to the same state only by accident. Deliberately not here: running anything.
 */
import type {
  ActorLogic,
  AnyMachineSnapshot,
  AnyStateNode,
  AnyTransitionDefinition,
  EventObject,
} from 'xstate'
import { adjacencyMapToArray, getAdjacencyMap } from 'xstate/graph'
import { OciError, publicCall } from '../errors/index.ts'
import { nodesOf, pathOf, transitionsOf } from './state-nodes.ts'

/** One event in one state. */
export interface Edge<S extends AnyMachineSnapshot, E extends EventObject> {
  /** Names the edge: its state and its event. */
  readonly key: string
  readonly from: S
  readonly event: E
  readonly to: S
}

/** Edges, each of which begins where the one before it ends. */
export type Path<S extends AnyMachineSnapshot, E extends EventObject> = readonly Edge<S, E>[]

/** What {@link coverEdges} finds. */
export interface EdgeCover<S extends AnyMachineSnapshot, E extends EventObject> {
  readonly statesCount: number
  /** Every edge that can be reached, once. */
  readonly edges: readonly Edge<S, E>[]
  /** Each begins in the initial state. */
  readonly paths: readonly Path<S, E>[]
  /** Transitions of the definition that no reachable state takes, as `state on event`. */
  readonly unreachable: readonly string[]
}

/** A state machine without input, as far as it is looked at here. */
type Walkable<S extends AnyMachineSnapshot, E extends EventObject> = ActorLogic<S, E> & {
  readonly root: AnyStateNode
  getTransitionData(snapshot: S, event: E): readonly AnyTransitionDefinition[]
}

/**
 * Paths that together take every edge which `events` lead over. The same machine and events always have the same paths.
 * Each edge has the machine's snapshots before and after it, to compare with. ERR_INVALID_ARGUMENT for a machine that one
 * of the events ends, or that has more than `statesMax` states.
 *
 * @example
 * const events = (['create.heedful', 'start', 'exit.by.itself'] as const).map((type) => ({ type }))
 * for (const path of coverEdges(containerSpecification, events).paths) for (const { event, to } of path) …
 */
export function coverEdges<S extends AnyMachineSnapshot, E extends EventObject>(
  machine: Walkable<S, E>,
  events: readonly E[],
  statesMax = 1000,
): EdgeCover<S, E> {
  return publicCall({ operation: 'coverEdges' }, () => cover(machine, events, statesMax))
}

function cover<S extends AnyMachineSnapshot, E extends EventObject>(
  machine: Walkable<S, E>,
  events: readonly E[],
  statesMax: number,
): EdgeCover<S, E> {
  const { initial, edgesFrom } = explore(machine, events, statesMax)
  const edges = [...edgesFrom.values()].flat()
  const untaken = new Set(edges)
  const paths: Path<S, E>[] = []
  while (untaken.size > 0) {
    const path = pathThrough(initial, edgesFrom, untaken)
    if (path.length === 0) throw invalid(`no path leads to ${[...untaken].map(({ key }) => key).join(', ')}`)
    paths.push(path)
  }
  return { statesCount: edgesFrom.size, edges, paths, unreachable: unreachableIn(machine, edges) }
}

type EdgesFrom<S extends AnyMachineSnapshot, E extends EventObject> = ReadonlyMap<
  string,
  readonly Edge<S, E>[]
>

function explore<S extends AnyMachineSnapshot, E extends EventObject>(
  machine: Walkable<S, E>,
  events: readonly E[],
  statesMax: number,
): { initial: string; edgesFrom: EdgesFrom<S, E> } {
  const adjacency = getAdjacencyMap(machine, {
    events,
    filterEvents: (snapshot, event) => snapshot.can(event),
    serializeState: keyOf,
    // Each state is looked at once for every edge that leads to it.
    limit: statesMax * (events.length + 1),
  })
  const edgesFrom = new Map<string, Edge<S, E>[]>()
  for (const { state: from, event, nextState: to } of adjacencyMapToArray(adjacency)) {
    // A guard or an action that threw ends the machine, and everything behind it would be missing in silence.
    for (const { status } of [from, to]) {
      if (status !== 'active')
        throw invalid(`after ${event.type} the machine is ${status}; it must be active`)
    }
    for (const key of [keyOf(from), keyOf(to)]) edgesFrom.set(key, edgesFrom.get(key) ?? [])
    edgesFrom.get(keyOf(from))?.push({ key: `${keyOf(from)} on ${event.type}`, from, event, to })
  }
  if (edgesFrom.size > statesMax) throw invalid(`${edgesFrom.size} states are more than ${statesMax}`)
  // The map begins with the initial state, unless that has no way out.
  const [initial = ''] = edgesFrom.keys()
  return { initial, edgesFrom }
}

/** Always on to the nearest untaken edge, until none is left ahead. */
function pathThrough<S extends AnyMachineSnapshot, E extends EventObject>(
  initial: string,
  edgesFrom: EdgesFrom<S, E>,
  untaken: Set<Edge<S, E>>,
): Path<S, E> {
  const path: Edge<S, E>[] = []
  for (let at = initial; ;) {
    const way = wayToUntaken(at, edgesFrom, untaken)
    const last = way.at(-1)
    if (last === undefined) return path
    path.push(...way)
    untaken.delete(last)
    at = keyOf(last.to)
  }
}

/** The shortest way whose last edge is untaken; empty when there is none. */
function wayToUntaken<S extends AnyMachineSnapshot, E extends EventObject>(
  start: string,
  edgesFrom: EdgesFrom<S, E>,
  untaken: ReadonlySet<Edge<S, E>>,
): Path<S, E> {
  const ways = new Map<string, Path<S, E>>([[start, []]])
  // A map iterates over what is added on the way: it is the queue as well as the memory.
  for (const [at, way] of ways) {
    const edges = edgesFrom.get(at) ?? []
    const found = edges.find((edge) => untaken.has(edge))
    if (found !== undefined) return [...way, found]
    for (const edge of edges) {
      const to = keyOf(edge.to)
      if (!ways.has(to)) ways.set(to, [...way, edge])
    }
  }
  return []
}

function unreachableIn<S extends AnyMachineSnapshot, E extends EventObject>(
  machine: Walkable<S, E>,
  edges: readonly Edge<S, E>[],
): string[] {
  const taken = new Set<AnyTransitionDefinition>(
    edges.flatMap(({ from, event }) => machine.getTransitionData(from, event)),
  )
  return nodesOf(machine.root).flatMap((node) =>
    transitionsOf(node)
      .filter((transition) => !taken.has(transition))
      .map(({ eventType }) => `${pathOf(node)} on ${eventType}`),
  )
}

function keyOf({ value, context }: { readonly value: unknown; readonly context: unknown }): string {
  return JSON.stringify([value, context])
}

function invalid(problem: string): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', problem, { field: 'machine', operation: 'coverEdges' })
}
