/**
 * Tests an orchestrator with the model of a container: everything that may befall one, in every state in which it may, is
 * made to happen on the simulated runtime, and after each event the orchestrator is asked for what it promises.
 */
import { defineConfig, memoryStateDirectory, Runtime, type Container } from 'oci-supervisor'
import {
  containerSpecification,
  coverEdges,
  ownExitCode,
  SimulatedClock,
  SimulatedRuntime,
} from 'oci-supervisor/testing'
import type { Keeper } from './keeper.ts'

type Happen = (sim: SimulatedRuntime, id: string) => void

/** The orchestrator creates and starts; the rest happens to it. Its program runs until it is told to end. */
const happens = {
  'create.heedful': undefined,
  start: undefined,
  'exit.by.itself': (sim, id) => {
    sim.exitNow(id, ownExitCode)
  },
  'killed.from.outside': (sim, id) => {
    sim.exitNow(id, 137)
  },
  'frozen.from.outside': (sim, id) => {
    sim.freezeFromOutside(id)
  },
  'thawed.from.outside': (sim, id) => {
    sim.thawFromOutside(id)
  },
  'monitor.killed': (sim, id) => {
    sim.killMonitor(id)
  },
} as const satisfies Record<string, Happen | undefined>
type Happening = keyof typeof happens

const happenings = new Map<string, Happen | undefined>(Object.entries(happens))
const events: { readonly type: Happening }[] = Object.keys(happens)
  .filter((type): type is Happening => type in happens)
  .map((type) => ({ type }))

/** Walks every path; resolves with how many there were, rejects at the first broken promise with the way to it. */
export async function walkAll(make: (runtime: Runtime) => Keeper): Promise<number> {
  const cover = coverEdges(containerSpecification, events)
  // This orchestrator creates and starts in one go: nothing happens in between.
  const paths = cover.paths.filter(([, second]) => second?.event.type === 'start')
  for (const path of paths) {
    const clock = new SimulatedClock()
    const sim = new SimulatedRuntime({ clock })
    const config = defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } })
    const implementations = { sim: () => sim }
    const runtime = await Runtime.open(config, {
      clock,
      implementations,
      stateDirectory: memoryStateDirectory(),
    })
    const keeper = make(runtime)
    await clock.runUntil(keeper.replace())
    const walked: string[] = []
    for (const { event, to } of path) {
      const { current } = keeper
      if (current === undefined) throw new Error('the keeper has no container')
      walked.push(event.type)
      const happen = happenings.get(event.type)
      happen?.(sim, current.id)
      await clock.advance(2000)
      await refresh(runtime, keeper.current, clock)
      // The model says what becomes of this container, the promise is about the service.
      const hasEnded = to.value === 'stopped' || to.value === 'swept'
      const wanted = to.value === 'paused' ? 'paused' : 'running'
      const isReplaced = keeper.current !== current
      if (happen !== undefined && (isReplaced !== hasEnded || keeper.current?.status !== wanted)) {
        const is = `${isReplaced ? 'another' : 'the same'} container, ${keeper.current?.status}`
        throw new Error(`after ${walked.join(', ')}: ${is}`)
      }
    }
    await clock.runUntil(runtime.close())
  }
  return paths.length
}

/** Somebody's freezing is seen when one looks. */
async function refresh(
  runtime: Runtime,
  container: Container | undefined,
  clock: SimulatedClock,
): Promise<void> {
  if (container !== undefined) await clock.runUntil(runtime.updateContainerStatus(container))
}
