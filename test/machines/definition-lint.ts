/**
 * What XState accepts in silence and a statechart must not contain: unknown names, effects without a way out, states
 * that cannot be reached or left. Reads a machine's definition; runs nothing.
 */
import type { AnyStateMachine, AnyStateNode } from 'xstate'
import { nodesOf, pathOf, transitionsOf } from '../../src/model/state-nodes.ts'

export interface LintOptions {
  /** The path of the state that every other must be able to reach. */
  readonly end: string
}

type Transition = NonNullable<AnyStateNode['always']>[number]
type Report = (node: AnyStateNode, problem: string) => void

/** setTimeout fires at once beyond this. */
const timerDelayMaxMs = 2 ** 31 - 1

/** What is wrong with `machine`, one line per finding, each beginning with the state's path. */
export function lintDefinition(machine: AnyStateMachine, { end }: LintOptions): string[] {
  const findings: string[] = []
  const report: Report = (node, problem) => findings.push(`${pathOf(node) || '(root)'}: ${problem}`)
  const nodes = nodesOf(machine.root)
  for (const node of nodes) {
    lintInvokes(node, report)
    lintNames(machine, node, report)
    if (!isEnd(node) && node.type === 'atomic' && edgesOf(node).length === 0) report(node, 'has no way out')
  }
  lintReachability(machine.root, nodes, report)
  lintEnd(nodes, end, report)
  return findings
}

function childrenOf(node: AnyStateNode): AnyStateNode[] {
  return Object.values<AnyStateNode>(node.states)
}

function ancestorsOf(node: AnyStateNode): AnyStateNode[] {
  return node.parent === undefined ? [] : [node.parent, ...ancestorsOf(node.parent)]
}

function isEnd(node: AnyStateNode): boolean {
  return node.type === 'final'
}

function isWithin(node: AnyStateNode, ancestor: AnyStateNode): boolean {
  return node === ancestor || ancestorsOf(node).includes(ancestor)
}

function targetsOf(transition: Transition): AnyStateNode[] {
  return [...(transition.target ?? [])]
}

function lintInvokes(node: AnyStateNode, report: Report): void {
  for (const { id, src } of node.invoke) {
    const name = typeof src === 'string' ? src : 'a logic written in place'
    const onError = node.transitions.get(`xstate.error.actor.${id}`) ?? []
    if (onError.length === 0) report(node, `invokes ${name} without onError`)
    if (!hasTimeout(node)) report(node, `invokes ${name} without a timeout that leaves the state`)
  }
}

/** A timer of the state or of a compound around it, whose last branch leaves the state whatever the guards say. */
function hasTimeout(node: AnyStateNode): boolean {
  const holders = [node, ...ancestorsOf(node).filter(({ parent }) => parent !== undefined)]
  return holders.some((holder) =>
    holder.after.some(
      (timer) => timer.guard === undefined && targetsOf(timer).some((target) => !isStay(node, timer, target)),
    ),
  )
}

function isStay(node: AnyStateNode, timer: Transition, target: AnyStateNode): boolean {
  return isWithin(target, node) && !timer.reenter
}

function lintNames(machine: AnyStateMachine, node: AnyStateNode, report: Report): void {
  const { actions, actors, guards, delays } = machine.implementations
  const check = (kind: string, known: object, name: string): void => {
    if (!Object.hasOwn(known, name)) report(node, `names the unknown ${kind} ${name}`)
  }
  for (const { src } of node.invoke) if (typeof src === 'string') check('actor', actors, src)
  for (const name of namesIn(actionsOf(node))) check('action', actions, name)
  for (const name of namesIn(transitionsOf(node).flatMap(({ guard }) => guardsIn(guard))))
    check('guard', guards, name)
  for (const delay of delaysOf(node)) {
    if (typeof delay === 'string') check('delay', delays, delay)
    else if (delay > timerDelayMaxMs) report(node, `waits ${delay} ms, more than a timer can hold`)
  }
}

function actionsOf(node: AnyStateNode): unknown[] {
  return [...node.entry, ...node.exit, ...transitionsOf(node).flatMap(({ actions }) => [...actions])]
}

/** `and`, `or` and `not` keep the guards they combine. */
function guardsIn(guard: unknown): unknown[] {
  const inner = isRecord(guard) && Array.isArray(guard['guards']) ? guard['guards'] : []
  return guard === undefined ? [] : [guard, ...inner.flatMap(guardsIn)]
}

/** Delays of timers and of delayed actions written in place. */
function delaysOf(node: AnyStateNode): (string | number)[] {
  const inActions = actionsOf(node).map((action) => (isRecord(action) ? action['delay'] : undefined))
  const inTimers = node.after.map(({ delay }) => delay)
  const delays = new Set<unknown>([...inActions, ...inTimers].map(numberIfNumeric))
  return [...delays].filter((delay) => typeof delay === 'string' || typeof delay === 'number')
}

/** XState keeps `after: { 1000: … }` as a key. */
function numberIfNumeric(delay: unknown): unknown {
  return typeof delay === 'string' && delay !== '' && Number.isFinite(Number(delay)) ? Number(delay) : delay
}

/** Names of actions or guards; what is written in place as a function has none. */
function namesIn(references: readonly unknown[]): string[] {
  return references.flatMap((reference) => {
    if (typeof reference === 'string') return [reference]
    const type = isRecord(reference) && typeof reference !== 'function' ? reference['type'] : undefined
    return typeof type === 'string' ? [type] : []
  })
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

function lintReachability(root: AnyStateNode, nodes: readonly AnyStateNode[], report: Report): void {
  const reached = new Set<AnyStateNode>()
  const queue = [...entered(root)]
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    if (reached.has(node)) continue
    reached.add(node)
    for (const transition of transitionsOf(node)) queue.push(...targetsOf(transition).flatMap(enteredWith))
  }
  for (const node of nodes) if (!reached.has(node)) report(node, 'cannot be reached')
}

/** A state and what its entry enters below it. */
function entered(node: AnyStateNode): AnyStateNode[] {
  if (node.type === 'parallel') return [node, ...childrenOf(node).flatMap(entered)]
  if (node.type !== 'compound') return [node]
  const initial = [...(node.initial.target ?? [])]
  const between = initial
    .flatMap(ancestorsOf)
    .filter((ancestor) => ancestor !== node && isWithin(ancestor, node))
  return [node, ...between, ...initial.flatMap(entered)]
}

/** What a transition to `node` enters: it, its ancestors, and the regions beside it. */
function enteredWith(node: AnyStateNode): AnyStateNode[] {
  const ancestors = ancestorsOf(node)
  const beside = ancestors.filter(({ type }) => type === 'parallel').flatMap(childrenOf)
  const others = beside.filter((region) => !isWithin(node, region))
  return [...ancestors, ...others.flatMap(entered), ...entered(node)]
}

/** From every leaf, `end` must be reachable. */
function lintEnd(nodes: readonly AnyStateNode[], end: string, report: Report): void {
  const leaves = nodes.filter((node) => childrenOf(node).length === 0)
  const leading = new Set(leaves.filter((node) => pathOf(node) === end))
  for (let before = -1; before < leading.size;) {
    before = leading.size
    for (const node of leaves) {
      const leads = edgesOf(node).some((target) => enteredWith(target).some((next) => leading.has(next)))
      if (leads) leading.add(node)
    }
  }
  for (const node of leaves) if (!leading.has(node)) report(node, `cannot reach ${end}`)
}

/**
 * Where a leaf may lead: its own transitions, its ancestors', and, in a parallel state, those of the other regions that
 * leave the parallel state.
 */
function edgesOf(leaf: AnyStateNode): AnyStateNode[] {
  const line = [leaf, ...ancestorsOf(leaf)]
  const own = line.flatMap(transitionsOf).flatMap(targetsOf)
  const byRegions = line
    .filter(({ type }) => type === 'parallel')
    .flatMap((parallel) =>
      nodesOf(parallel)
        .flatMap(transitionsOf)
        .flatMap(targetsOf)
        .filter((target) => !isWithin(target, parallel)),
    )
  return [...own, ...byRegions]
}
