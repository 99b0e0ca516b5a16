/** Ways to bring a container to every phase and keep it there. */
import type { Container, ContainerPhase } from '../../src/index.ts'
import { deaf, immortal, type Stage } from './stage.ts'

export type Way = (stage: Stage) => Promise<Container>

/** Begins something that is not going to be over; what becomes of it is not this test's business. */
function begin(attempt: Promise<unknown>): void {
  attempt.catch(() => undefined)
}

const creating: Way = async ({ sim, describe, runtime, clock }) => {
  const container = describe()
  sim.inject(container.id, { effect: 'create', fault: 'hang' })
  begin(runtime.createContainer(container))
  await clock.settle()
  return container
}

const paused: Way = async ({ started, runtime, clock }) => {
  const container = await started(deaf)
  await clock.runUntil(runtime.pauseContainer(container))
  return container
}

const stopped: Way = async ({ started, runtime, clock }) => {
  const container = await started()
  await clock.runUntil(runtime.stopContainer(container, 0))
  return container
}

export const ways = {
  creating,
  cleaning: async ({ sim, describe, runtime, clock }) => {
    const container = describe()
    sim.inject(container.id, { effect: 'create', fault: 'fail' })
    sim.inject(container.id, { effect: 'cleanUp', fault: 'hang' })
    begin(runtime.createContainer(container))
    await clock.settle()
    return container
  },
  failed: async ({ sim, describe, runtime, clock }) => {
    const container = describe()
    sim.inject(container.id, { effect: 'create', fault: 'fail' })
    begin(runtime.createContainer(container))
    await clock.settle()
    return container
  },
  created: ({ created }) => created(),
  starting: async ({ sim, created, runtime, clock }) => {
    const container = await created()
    sim.inject(container.id, { effect: 'start', fault: 'hang' })
    begin(runtime.startContainer(container))
    await clock.settle()
    return container
  },
  running: ({ started }) => started(),
  pausing: async ({ sim, started, runtime, clock }) => {
    const container = await started()
    sim.inject(container.id, { effect: 'pause', fault: 'hang' })
    begin(runtime.pauseContainer(container))
    await clock.settle()
    return container
  },
  observing: async ({ sim, started, runtime, clock }) => {
    const container = await started()
    sim.inject(container.id, { effect: 'pause', fault: 'fail' })
    sim.inject(container.id, { effect: 'observe', fault: 'hang' })
    begin(runtime.pauseContainer(container))
    await clock.settle()
    return container
  },
  paused,
  resuming: async (stage) => {
    const container = await paused(stage)
    stage.sim.inject(container.id, { effect: 'resume', fault: 'hang' })
    begin(stage.runtime.unpauseContainer(container))
    await stage.clock.settle()
    return container
  },
  'stopping.thawing': async (stage) => {
    const container = await paused(stage)
    stage.sim.inject(container.id, { effect: 'resume', fault: 'hang' })
    begin(stage.runtime.stopContainer(container, 60))
    await stage.clock.settle()
    return container
  },
  'stopping.signalling': async ({ sim, started, runtime, clock }) => {
    const container = await started(deaf)
    sim.inject(container.id, { effect: 'signal', fault: 'hang' })
    begin(runtime.stopContainer(container, 60))
    await clock.settle()
    return container
  },
  'stopping.grace': async ({ started, runtime, clock }) => {
    const container = await started(deaf)
    begin(runtime.stopContainer(container, 60))
    await clock.settle()
    return container
  },
  'stopping.killing': async ({ started, runtime, clock }) => {
    const container = await started(immortal)
    begin(runtime.stopContainer(container, 0))
    await clock.settle()
    return container
  },
  exiting: async ({ sim, started, clock }) => {
    const container = await started()
    sim.inject(container.id, { effect: 'killRemaining', fault: 'hang' })
    sim.exitNow(container.id, 3)
    await clock.settle()
    return container
  },
  stopped,
  deleting: async (stage) => {
    const container = await stopped(stage)
    stage.sim.inject(container.id, { effect: 'delete', fault: 'hang' })
    begin(stage.runtime.deleteContainer(container))
    await stage.clock.settle()
    return container
  },
} as const satisfies Partial<Record<ContainerPhase, Way>>

export type Place = keyof typeof ways
export const places = Object.keys(ways).filter((name): name is Place => Object.hasOwn(ways, name))
