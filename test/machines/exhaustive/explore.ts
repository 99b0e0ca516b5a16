/**
 * Breadth first through everything that can happen to one container, so that the first way found to a violation is a
 * shortest one.
 */
import type { AnyTransitionDefinition } from 'xstate'
import type { ContainerMachine } from '../../../src/machines/container.machine.ts'
import type { Adoption, ContainerInput } from '../../../src/machines/context.ts'
import { defaultContainerLimits } from '../../../src/machines/delays.ts'
import { phaseOf } from '../../../src/machines/phase.ts'
import { keyOf, Stepper, type Configuration, type Step } from './configuration.ts'
import { newRequestsOf, violationsOf } from './invariants.ts'
import { isLateEffect, movesFrom, type Liberties, type Move } from './moves.ts'
import type { Beginning } from './beginnings.ts'
import { LivenessGraph, type Node } from './liveness.ts'
import { settled } from './world.ts'

export interface Exploration {
  readonly configurationsCount: number
  readonly edgesCount: number
  /** `violation` after the moves that lead to it. */
  readonly violations: readonly string[]
  readonly phases: ReadonlySet<string>
  /** Transitions that some configuration takes. */
  readonly taken: ReadonlySet<AnyTransitionDefinition>
}

const lawful = new Set(['created', 'started', 'exited', 'deleted'])

/** How a configuration was first reached. */
interface Reached extends Node {
  readonly from: number
  readonly label: string
}

export function explore(
  machine: ContainerMachine,
  beginnings: readonly Beginning[],
  liberties: Liberties,
): Exploration {
  // Errors are made by the hundred thousand here, and nobody looks at where.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return exploreAll(machine, beginnings, liberties)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

function exploreAll(
  machine: ContainerMachine,
  beginnings: readonly Beginning[],
  liberties: Liberties,
): Exploration {
  const found = new Map<string, number>()
  const reached: Reached[] = []
  const graph = new LivenessGraph()
  const phases = new Set<string>()
  const violations: string[] = []
  const stepper = new Stepper(machine, inputOf(undefined))
  const queue: (Configuration | undefined)[] = []

  const pathTo = (index: number): string[] => {
    const node = reached[index]
    return node === undefined ? [] : [...pathTo(node.from), node.label]
  }
  const violated = (index: number, last: string, problem: string): void => {
    if (violations.length < liberties.violationsMax)
      violations.push(`${problem}\n  ${[...pathTo(index), last].join('\n  ')}`)
  }
  const reach = (configuration: Configuration, from: number, label: string): number => {
    const key = keyOf(configuration)
    const known = found.get(key)
    if (known !== undefined) return known
    const index = reached.length
    found.set(key, index)
    const { snapshot, requests } = configuration
    phases.add(phaseOf(snapshot.value))
    reached.push({
      from,
      label,
      isAwaited: requests.length > 0,
      isPatient: snapshot.context.stop?.deadlineMs === Number.POSITIVE_INFINITY,
      isEnd: snapshot.status === 'done',
    })
    queue.push(configuration)
    return index
  }

  for (const beginning of beginnings) reach(begin(stepper, beginning), -1, beginning.name)
  for (let index = 0; index < queue.length; index++) {
    const before = queue[index]
    // What has been looked at is not needed again, and would fill the memory.
    queue[index] = undefined
    if (before === undefined) continue
    for (const move of movesFrom(before, liberties)) {
      const { after, step } = make(stepper, before, move)
      for (const problem of violationsOf({ before, move, step, after, liberties }))
        violated(index, move.label, problem)
      if (violations.length >= liberties.violationsMax) break
      const to = reach(after, index, move.label)
      graph.add(index, to, move.kind !== 'fault', timerOf(before, move))
    }
    if (violations.length >= liberties.violationsMax) break
  }
  if (violations.length === 0 && liberties.faults) {
    for (const index of graph.unanswered(reached))
      violated(index, '(only time passes)', 'everyRequestGetsItsReply: it never does')
    for (const index of graph.endless(reached))
      violated(index, '(nothing goes wrong any more)', 'everyLifeCanEnd: it cannot be deleted')
  }
  return {
    configurationsCount: reached.length,
    edgesCount: graph.edgesCount,
    violations,
    phases,
    taken: stepper.taken,
  }
}

/** The timer whose firing a move is. */
function timerOf({ timers }: Configuration, move: Move): string | undefined {
  return move.timers === undefined ? undefined : timers.find((timer) => !move.timers?.includes(timer))?.id
}

function inputOf(adopt: Adoption | undefined): ContainerInput {
  return { id: 'c', limits: defaultContainerLimits, adopt }
}

function begin(stepper: Stepper, { adopt, world }: Beginning): Configuration {
  const { snapshot, timers, calls } = stepper.begin(inputOf(adopt))
  const told = adopt === undefined ? [] : toldBefore(adopt)
  return { snapshot, world, nowMs: 0, timers, calls, requests: [], told, gaveUp: false }
}

/** What the predecessor has told. */
function toldBefore({ created, started, phase }: Adoption): string[] {
  return [
    ...(created === undefined ? [] : ['created']),
    ...(started === undefined ? [] : ['started']),
    ...(phase === 'stopped' && created !== undefined ? ['exited'] : []),
  ]
}

function make(
  stepper: Stepper,
  before: Configuration,
  move: Move,
): { readonly after: Configuration; readonly step: Step | undefined } {
  const {
    world = before.world,
    calls = before.calls,
    timers = before.timers,
    nowMs = before.nowMs,
    event,
  } = move
  const moved = { ...before, world: settled(world), calls, timers, nowMs }
  if (event === undefined) return { after: moved, step: undefined }
  const step = stepper.send(moved, event)
  const late = step.aborted.flatMap(({ effect, isApplied }) =>
    !isApplied && isLateEffect(effect) ? [effect] : [],
  )
  const replied = new Set(step.emitted.flatMap((said) => (said.type === 'replied' ? [said.requestId] : [])))
  const joined = new Set(before.requests.map(({ requestId }) => requestId))
  const asked = newRequestsOf(move).filter(({ requestId }) => !joined.has(requestId))
  const told = step.emitted.flatMap((said) =>
    said.type === 'published' && lawful.has(said.event.type) ? [said.event.type] : [],
  )
  const { snapshot } = step
  return {
    step,
    after: {
      ...moved,
      snapshot,
      timers: step.timers,
      calls: step.calls,
      world: settled(
        late.length === 0 ? world : { ...world, late: [...new Set([...world.late, ...late])].toSorted() },
      ),
      requests: [...before.requests, ...asked].filter(({ requestId }) => !replied.has(requestId)),
      told: told.length === 0 ? before.told : [...before.told, ...told],
      gaveUp: before.gaveUp || (move.label !== 'cleanUp succeeds' && isGivenUp(before, snapshot)),
    },
  }
}

/** A clean-up that ended without success and is not tried again. */
function isGivenUp(before: Configuration, snapshot: Configuration['snapshot']): boolean {
  return phaseOf(before.snapshot.value) === 'cleaning' && phaseOf(snapshot.value) !== 'cleaning'
}
