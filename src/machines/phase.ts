/** The machine's state value in the words of the contract: phase, status, what is waited for. */
import type { ContainerPhase, ContainerStatus } from '../container.ts'

/** A state value as XState gives it: a name, or regions by name. */
export type StateValue = string | { readonly [region: string]: StateValue | undefined }

/** The phase of a state value: the live region's path, `stopping` to its second level, else the top state. */
export function phaseOf(value: StateValue): ContainerPhase {
  const path = pathOf(
    typeof value === 'object' && value['live'] !== undefined ? lifeOf(value['live']) : value,
  )
  const [head = 'registered', next] = path
  // Invariant: the state names of the machine are the phases; test/machines holds the two lists together.
  return (head === 'stopping' && next !== undefined ? `${head}.${next}` : head) as ContainerPhase
}

function lifeOf(live: StateValue): StateValue {
  return typeof live === 'object' ? (live['life'] ?? 'created') : live
}

function pathOf(value: StateValue): string[] {
  if (typeof value === 'string') return [value]
  const [first] = Object.entries(value)
  return first?.[1] === undefined ? [] : [first[0], ...pathOf(first[1])]
}

interface PhaseFacts {
  readonly status: ContainerStatus | undefined
  readonly waitingFor: string | undefined
}

const facts: Record<ContainerPhase, PhaseFacts> = {
  registered: { status: undefined, waitingFor: undefined },
  creating: { status: undefined, waitingFor: 'the runtime to create the container' },
  cleaning: { status: undefined, waitingFor: 'the clean-up of a failed create or start' },
  failed: { status: undefined, waitingFor: undefined },
  created: { status: 'created', waitingFor: undefined },
  starting: { status: 'created', waitingFor: 'the runtime to start the container' },
  running: { status: 'running', waitingFor: undefined },
  pausing: { status: 'running', waitingFor: 'the runtime to pause the container' },
  resuming: { status: 'paused', waitingFor: 'the runtime to resume the container' },
  observing: { status: 'running', waitingFor: 'the runtime to say whether the container is paused' },
  paused: { status: 'paused', waitingFor: undefined },
  'stopping.thawing': {
    status: 'running',
    waitingFor: 'the runtime to resume the container before it is stopped',
  },
  'stopping.signalling': { status: 'running', waitingFor: 'the runtime to send the stop signal' },
  'stopping.grace': { status: 'running', waitingFor: 'the process to end after the stop signal' },
  'stopping.killing': { status: 'running', waitingFor: 'the process to die after KILL' },
  exiting: { status: 'stopped', waitingFor: 'the exit to be settled and recorded' },
  stopped: { status: 'stopped', waitingFor: undefined },
  deleting: { status: 'stopped', waitingFor: 'the runtime to delete the container' },
  deleted: { status: 'stopped', waitingFor: undefined },
}

export function statusOf(phase: ContainerPhase): ContainerStatus | undefined {
  return facts[phase].status
}

export function waitingForOf(phase: ContainerPhase): string | undefined {
  return facts[phase].waitingFor
}
