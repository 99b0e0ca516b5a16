/**
 * What must become true in the end, judged on the whole graph of configurations: everybody gets a reply though nothing in
 * the world ever answers, and every life can be brought to its end once nothing goes wrong any more.
 */

export interface Node {
  /** Somebody waits for a reply. */
  readonly isAwaited: boolean
  /** A stop that is never to escalate: it may wait for ever. */
  readonly isPatient: boolean
  readonly isEnd: boolean
}

interface TimerEdge {
  readonly timer: string
  readonly to: number
}

/** Who leads where. Nodes are numbers, since there are many. */
export class LivenessGraph {
  readonly #from: number[] = []
  readonly #to: number[] = []
  readonly #byTime = new Map<number, TimerEdge[]>()
  edgesCount = 0

  /** An edge; with the `timer` that it is the firing of. */
  add(from: number, to: number, isFaultless: boolean, timer: string | undefined): void {
    this.edgesCount += 1
    if (timer !== undefined) this.#byTime.set(from, [...(this.#byTime.get(from) ?? []), { timer, to }])
    if (!isFaultless || from === to) return
    this.#from.push(from)
    this.#to.push(to)
  }

  /**
   * Nodes where somebody may wait for ever although time passes: no timer is armed, or timers lead around and around and
   * none of those armed all the way leads out. Every effect hangs, and no process ever dies.
   */
  unanswered(nodes: readonly Node[]): number[] {
    const isAwaited = (node: number): boolean => nodes[node]?.isAwaited === true
    const next = (node: number): readonly TimerEdge[] => this.#byTime.get(node) ?? []
    const stuck: number[] = []
    for (const component of componentsOf(nodes.length, isAwaited, (node) => next(node).map(({ to }) => to))) {
      const [first] = component
      if (
        first === undefined ||
        (component.length === 1 && next(first).length === 0 && nodes[first]?.isPatient === true)
      )
        continue
      const within = new Set(component)
      const leavesBy = (timer: string): boolean =>
        component.every((node) => next(node).some((edge) => edge.timer === timer && !within.has(edge.to)))
      const isPassing = component.length === 1 && next(first).some(({ to }) => to !== first)
      if (!isPassing && !next(first).some(({ timer }) => leavesBy(timer))) stuck.push(first)
    }
    return stuck
  }

  /** Nodes from which no way without another fault leads to an end. */
  endless(nodes: readonly Node[]): number[] {
    const before: number[][] = nodes.map(() => [])
    for (const [index, to] of this.#to.entries()) before[to]?.push(this.#from[index] ?? 0)
    const leads = new Set(nodes.flatMap(({ isEnd }, index) => (isEnd ? [index] : [])))
    for (const node of leads) for (const each of before[node] ?? []) leads.add(each)
    return nodes.flatMap((_, index) => (leads.has(index) ? [] : [index]))
  }
}

/** Strongly connected components of the nodes that `includes` (Tarjan, without recursion: paths are long). */
function componentsOf(
  nodesCount: number,
  includes: (node: number) => boolean,
  next: (node: number) => readonly number[],
): number[][] {
  const order = new Map<number, number>()
  const low = new Map<number, number>()
  const open: number[] = []
  const isOpen = new Set<number>()
  const components: number[][] = []
  const lower = (node: number, to: number | undefined): void => {
    if (to !== undefined && to < (low.get(node) ?? to)) low.set(node, to)
  }
  const enter = (node: number): { node: number; ahead: number[] } => {
    order.set(node, order.size)
    low.set(node, order.size - 1)
    open.push(node)
    isOpen.add(node)
    return { node, ahead: next(node).filter(includes) }
  }
  const leave = (node: number): void => {
    if (low.get(node) !== order.get(node)) return
    const component = open.splice(open.lastIndexOf(node))
    for (const each of component) isOpen.delete(each)
    components.push(component)
  }
  for (let start = 0; start < nodesCount; start++) {
    if (!includes(start) || order.has(start)) continue
    const way = [enter(start)]
    for (let at = way.at(-1); at !== undefined; at = way.at(-1)) {
      const to = at.ahead.pop()
      if (to === undefined) {
        way.pop()
        leave(at.node)
        const back = way.at(-1)
        if (back !== undefined) lower(back.node, low.get(at.node))
      } else if (!order.has(to)) way.push(enter(to))
      else if (isOpen.has(to)) lower(at.node, order.get(to))
    }
  }
  return components
}
