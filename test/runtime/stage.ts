/** A runtime of simulated containers in simulated time, and what its tests ask of it. */
import { afterEach, expect } from 'vitest'
import {
  Container,
  defineConfig,
  isOciError,
  memoryStateDirectory,
  Runtime,
  type ContainerEvent,
  type ContainerLimits,
  type ContainerOptions,
  type ContainerStore,
  type Logger,
  type MonitorPolicyOf,
  type OciError,
  type RuntimeImpl,
  type StateDirectory,
} from '../../src/index.ts'
import { SimulatedClock, SimulatedRuntime, type SimulatedProgram } from '../../src/testing.ts'

export interface StageOptions {
  readonly stateDirectory?: StateDirectory
  readonly limits?: Partial<ContainerLimits>
  readonly store?: ContainerStore
  readonly logger?: Logger
  readonly onMonitorLost?: MonitorPolicyOf
  /** Puts something between the runtime and the simulated one. */
  readonly wrap?: (sim: SimulatedRuntime) => RuntimeImpl
  readonly killsFrozen?: boolean
}

export type Stage = Awaited<ReturnType<typeof openStage>>

const open: { readonly runtime: Runtime; readonly clock: SimulatedClock }[] = []

afterEach(async () => {
  for (const { runtime, clock } of open.splice(0)) await clock.runUntil(runtime.close())
})

let containers = 0

export async function openStage({ wrap, killsFrozen = false, ...options }: StageOptions = {}) {
  const clock = new SimulatedClock()
  const sim = new SimulatedRuntime({ clock, killsFrozen })
  const config = defineConfig({
    defaultRuntime: 'sim',
    runtimes: { sim: { runtimeType: 'sim' }, other: { runtimeType: 'unheard-of' } },
  })
  const runtime = await Runtime.open(config, {
    clock,
    implementations: { sim: () => wrap?.(sim) ?? sim },
    stateDirectory: memoryStateDirectory(),
    ...options,
  })
  open.push({ runtime, clock })
  const events: ContainerEvent[] = []
  runtime.events$.subscribe((event) => {
    if (event.type !== 'dropped') events.push(event)
  })

  const describe = (program: SimulatedProgram = {}, more: Partial<ContainerOptions> = {}): Container => {
    containers += 1
    const container = new Container({ id: `c${containers}`, bundlePath: '/simulated', ...more })
    sim.program((other) => other === container, program)
    return container
  }
  const created = async (
    program?: SimulatedProgram,
    more?: Partial<ContainerOptions>,
  ): Promise<Container> => {
    const container = describe(program, more)
    await clock.runUntil(runtime.createContainer(container))
    return container
  }
  const started = async (
    program?: SimulatedProgram,
    more?: Partial<ContainerOptions>,
  ): Promise<Container> => {
    const container = await created(program, more)
    await clock.runUntil(runtime.startContainer(container))
    return container
  }
  return {
    clock,
    sim,
    config,
    runtime,
    events,
    describe,
    created,
    started,
    /** Types of what was told of a container, without its phases. */
    told: (container: Container): string[] =>
      events
        .filter(({ containerId, type }) => containerId === container.id && type !== 'phase')
        .map(({ type }) => type),
    /** How often an effect was called. */
    calls: (effect: string): number => sim.calls.filter((call) => call.effect === effect).length,
  }
}

/** What a promise was rejected with; fails the test when it was not, or not with an OciError. */
export async function refusalOf(attempt: Promise<unknown>): Promise<OciError> {
  const outcome: unknown = await attempt.then(
    () => 'no refusal',
    (error: unknown) => error,
  )
  if (!isOciError(outcome)) expect.fail(`an OciError was expected, not ${String(outcome)}`)
  return outcome
}

/** Whether a promise has settled, and how, once everything has that can. */
export async function standing(clock: SimulatedClock, promise: Promise<unknown>): Promise<string> {
  let outcome = 'waits'
  promise.then(
    () => (outcome = 'done'),
    (error: unknown) => (outcome = isOciError(error) ? error.code : String(error)),
  )
  await clock.settle()
  return outcome
}

/** TERM does nothing to it. */
export const deaf: SimulatedProgram = { onTerm: 'ignore' }
/** Nothing ends it, as in uninterruptible sleep. */
export const immortal: SimulatedProgram = { onTerm: 'ignore', onKill: 'ignore' }
