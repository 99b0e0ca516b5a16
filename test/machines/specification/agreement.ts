/** Compares a state of the specification with everything that is to be seen of the container: in the façade and in the world. */
import { expect } from 'vitest'
import type { ContainerPhase, ContainerState, ContainerStatus, ExitStatus } from '../../../src/index.ts'
import type { WorldState } from '../../contract/harness.ts'
import type {
  SpecificationContext,
  SpecificationState,
  SpecifiedExit,
} from '../../../src/model/container.specification.ts'
import type { Life } from './life.ts'

/** A state of the specification with its context. */
export interface Place {
  readonly state: SpecificationState
  readonly context: SpecificationContext
}

interface Appearance {
  readonly phase: ContainerPhase
  readonly status: ContainerStatus | undefined
  readonly world: WorldState
  readonly isListed: boolean
  readonly isAlive: boolean
}

const dead = { isListed: true, isAlive: false } as const
const alive = { isListed: true, isAlive: true } as const

const appearances: Readonly<Record<SpecificationState, Appearance>> = {
  absent: { phase: 'registered', status: undefined, world: 'absent', isListed: false, isAlive: false },
  created: { phase: 'created', status: 'created', world: 'created', ...alive },
  running: { phase: 'running', status: 'running', world: 'running', ...alive },
  paused: { phase: 'paused', status: 'paused', world: 'frozen', ...alive },
  failed: { phase: 'failed', status: undefined, world: 'absent', ...dead },
  stopped: { phase: 'stopped', status: 'stopped', world: 'dead', ...dead },
  swept: { phase: 'stopped', status: 'stopped', world: 'absent', ...dead },
  deleted: { phase: 'deleted', status: 'stopped', world: 'absent', isListed: false, isAlive: false },
}

export async function expectAgreement(life: Life, place: Place): Promise<void> {
  const { container, harness, runtime } = life
  if (place.state === 'paused') {
    // With cgroups v1 the runtime asks the kernel for it and is done: on a busy host a process runs on for a moment.
    await life.patience.until('it is frozen', async () => (await harness.world(container)) === 'frozen')
  }
  const { exit, exitCode, oomKilled, pid } = container.state
  const seen = {
    phase: container.phase,
    status: container.status,
    world: await harness.world(container),
    isListed: runtime.containers.get(container.id) === container,
    isAlive: pid > 1,
    exit: specifiedExitOf(exit),
    exitCode,
    oomKilled,
    told: storyOf(life),
  }
  const expected = appearances[place.state]
  const { exit: expectedExit } = place.context
  const story = expectedStory(place, life)
  expect(seen).toEqual({ ...expected, ...stateOfExit(expectedExit), told: story })
  if (exit !== undefined) {
    expect(await life.patience.within(runtime.waitContainer(container)), 'what is waited for').toEqual(exit)
  }
}

function stateOfExit(
  exit: SpecifiedExit | undefined,
): Pick<ContainerState, 'exitCode' | 'oomKilled'> & { exit: SpecifiedExit | undefined } {
  // 255 stands in for an unknown code where CRI-O's shape has no other.
  return { exit, exitCode: typeof exit === 'string' ? 255 : exit, oomKilled: false }
}

function specifiedExitOf(exit: ExitStatus | undefined): SpecifiedExit | undefined {
  return exit?.kind === 'unknown' ? exit.why : exit?.code
}

/** What was told, without the steps that may be told any number of times but for the last of them. */
function storyOf({ told }: Life): string[] {
  const once = told.filter((type) => /^(created|started|exited|deleted)$/.test(type))
  return [...once, ...(isToldFrozen(told) ? ['frozen'] : []), ...(isToldLost(told) ? ['monitorLost'] : [])]
}

/** The law: created ≺ started ≺ exited ≺ deleted, each at most once, and an exit of whatever was not swept away unstarted. */
function expectedStory({ state, context }: Place, { told }: Life): string[] {
  const isLive = state === 'created' || state === 'running' || state === 'paused'
  const wasCreated = isLive || context.exit !== undefined
  const wasStarted =
    state === 'running' || state === 'paused' || (context.exit !== undefined && told.includes('started'))
  return [
    ...(wasCreated ? ['created'] : []),
    ...(wasStarted ? ['started'] : []),
    ...(context.exit !== undefined && (wasStarted || context.exit !== 'monitor-lost') ? ['exited'] : []),
    ...(state === 'deleted' ? ['deleted'] : []),
    // Of a dead container nobody asks whether it was frozen last, nor who had seen to it.
    ...((isLive ? state === 'paused' : isToldFrozen(told)) ? ['frozen'] : []),
    ...((isLive ? context.monitor === 'lost' : isToldLost(told)) ? ['monitorLost'] : []),
  ]
}

function isToldFrozen(told: Life['told']): boolean {
  return told.findLast((type) => type === 'paused' || type === 'resumed') === 'paused'
}

function isToldLost(told: Life['told']): boolean {
  return told.includes('monitorLost')
}
