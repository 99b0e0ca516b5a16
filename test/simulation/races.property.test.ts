/**
 * Races: fast-check's scheduler decides when each effect takes place and when its answer comes, and with it every order of
 * completions; commands are chosen among those that make sense in the container's phase. Nothing goes wrong by itself,
 * so nothing may seem to.
 *
 * A failure prints its seed and its path: OCI_SUPERVISOR_SEED and OCI_SUPERVISOR_SEED_PATH run it again.
 */
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { isOciError, type Container, type ContainerPhase, type RuntimeImpl } from '../../src/index.ts'
import type { SimulatedRuntime } from '../../src/testing.ts'
import { openStage, type Stage } from '../runtime/stage.ts'
import { replayOptions } from './replay.ts'

/** Far below every limit of time: waiting is no fault either. */
const tickMs = 40

type Command = 'start' | 'pause' | 'unpause' | 'stop now' | 'stop' | 'delete' | 'refresh'

const sensible: Partial<Record<ContainerPhase, readonly Command[]>> = {
  creating: ['start', 'stop now', 'delete', 'refresh'],
  created: ['start', 'stop', 'stop now', 'delete', 'refresh'],
  starting: ['pause', 'start', 'stop', 'stop now', 'delete', 'refresh'],
  running: ['pause', 'pause', 'stop', 'stop now', 'delete', 'refresh'],
  pausing: ['unpause', 'pause', 'stop', 'stop now', 'delete', 'refresh'],
  paused: ['unpause', 'unpause', 'stop', 'stop now', 'delete', 'refresh'],
  resuming: ['pause', 'unpause', 'stop', 'stop now', 'delete', 'refresh'],
}
const otherwise: readonly Command[] = ['stop now', 'delete', 'refresh', 'start', 'pause', 'unpause']

const act: Record<Command, (stage: Stage, container: Container) => Promise<unknown>> = {
  start: ({ runtime }, container) => runtime.startContainer(container),
  pause: ({ runtime }, container) => runtime.pauseContainer(container),
  unpause: ({ runtime }, container) => runtime.unpauseContainer(container),
  'stop now': ({ runtime }, container) => runtime.stopContainer(container, 0),
  stop: ({ runtime }, container) => runtime.stopContainer(container, tickMs / 1000),
  delete: ({ runtime }, container) => runtime.deleteContainer(container),
  refresh: ({ runtime }, container) => runtime.updateContainerStatus(container),
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('command' as const), choice: fc.nat(11) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('complete' as const), choice: fc.constant(0) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('exit' as const), choice: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('tick' as const), choice: fc.constant(0) }) },
)

/** What a command may be answered where nothing goes wrong: it came at the wrong time, or another one overtook it. */
const blameless = new Set([
  'done',
  'ERR_WRONG_STATUS',
  'ERR_CANCELLED',
  'ERR_NOT_RUNNING',
  'ERR_NOT_FOUND',
  'ERR_BUSY',
])

async function answerOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt
    return 'done'
  } catch (error) {
    return isOciError(error) ? error.code : String(error)
  }
}

it('in any order of completions a life goes well', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(step, { minLength: 5, maxLength: 30 }),
      async (scheduler, steps) => {
        const stage = await openStage({ wrap: (sim) => scheduled(sim, scheduler) })
        const { clock, runtime, sim } = stage
        const container = stage.describe({ onTerm: 'ignore' })
        let [isStopAsked, hasEnded] = [false, false]
        const answers = [answerOf(runtime.createContainer(container))]
        for (const { kind, choice } of steps) {
          if (kind === 'complete' && scheduler.count() > 0) await scheduler.waitNext(1)
          if (kind === 'exit' && sim.world(container.id).status === 'running') {
            sim.exitNow(container.id, 3)
            hasEnded = true
          }
          if (kind === 'tick') await clock.advance(tickMs)
          if (kind === 'command' && container.phase !== 'deleted') {
            const commands = sensible[container.phase] ?? otherwise
            const command = commands[choice % commands.length] ?? 'refresh'
            isStopAsked ||= command === 'stop' || command === 'stop now' || command === 'delete'
            answers.push(answerOf(act[command](stage, container)))
          }
          await clock.settle()
          expect(violationsOf(stage, container, scheduler.count())).toEqual([])
        }
        while (scheduler.count() > 0) {
          await scheduler.waitNext(1)
          await clock.settle()
        }
        // A stop may overtake a start, and then nobody knows that it has run.
        const isLost = hasEnded && !isStopAsked && !stage.told(container).includes('exited')
        expect(isLost, 'the end of what ran is not told').toBe(false)
        if (container.phase !== 'deleted') answers.push(answerOf(runtime.deleteContainer(container)))
        while (container.phase !== 'deleted' || scheduler.count() > 0) {
          if (scheduler.count() > 0) await scheduler.waitNext(1)
          else await clock.advance(tickMs)
          await clock.settle()
          expect(violationsOf(stage, container, scheduler.count())).toEqual([])
        }
        const outcomes = await Promise.all(answers)
        expect(outcomes.filter((outcome) => !blameless.has(outcome))).toEqual([])
        expect(sim.ids).toEqual([])
        expect(clock.pending).toBe(0)
        await runtime.close()
      },
    ),
    { numRuns: 300, ...replayOptions() },
  )
})

const lawful = ['created', 'started', 'exited', 'deleted']
const believedAs: Partial<Record<ContainerPhase, string>> = {
  created: 'created',
  running: 'running',
  paused: 'paused',
}

/** What must hold whenever nothing can go on by itself. */
function violationsOf({ events, sim, told }: Stage, container: Container, openCount: number): string[] {
  const { phase, state } = container
  const law = told(container).filter((type) => lawful.includes(type))
  // Who cancels a create has it fail, and nobody else does.
  const failures = events.flatMap((event) => (event.type === 'failed' ? [event.error.code] : []))
  const { status, exit } = sim.world(container.id)
  const believed = believedAs[phase]
  const rules: readonly (readonly [string, boolean])[] = [
    [`told in the order ${law.join()}`, law.join() === lawful.filter((type) => law.includes(type)).join()],
    ['an exit of what never was', !law.includes('exited') || law.includes('created')],
    [
      `${phase} without an end that is told`,
      (phase !== 'stopped' && phase !== 'deleted') || !law.includes('created') || law.includes('exited'),
    ],
    [`failed with ${failures.join()}`, failures.every((code) => code === 'ERR_CANCELLED')],
    ['an exit that is reported is unknown', state.exit?.kind !== 'unknown'],
    [`${phase} with an exit`, state.exit === undefined || believed === undefined],
    // With nothing under way and nobody meddling, what is believed is what is.
    [`${phase} but in the world ${status}`, openCount > 0 || believed === undefined || status === believed],
    [`${phase} with an unheard exit`, openCount > 0 || believed === undefined || exit === undefined],
  ]
  return rules.flatMap(([problem, holds]) => (holds ? [] : [problem]))
}

/** The simulated runtime, whose effects take place and answer when the scheduler says. */
function scheduled(sim: SimulatedRuntime, scheduler: fc.Scheduler): RuntimeImpl {
  const turn = (label: string): Promise<void> => scheduler.schedule(Promise.resolve(), label)
  const inTurn = async <T>(label: string, effect: () => Promise<T>): Promise<T> => {
    await turn(`${label} takes place`)
    const outcome = await effect().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    )
    await turn(`${label} answers`)
    if ('error' in outcome) throw outcome.error
    return outcome.value
  }
  return {
    create: (...args) => inTurn('create', () => sim.create(...args)),
    start: (...args) => inTurn('start', () => sim.start(...args)),
    signal: (...args) => inTurn(`signal ${args[2]}`, () => sim.signal(...args)),
    pause: (...args) => inTurn('pause', () => sim.pause(...args)),
    resume: (...args) => inTurn('resume', () => sim.resume(...args)),
    observe: (...args) => inTurn('observe', () => sim.observe(...args)),
    oomKilled: (...args) => inTurn('oomKilled', () => sim.oomKilled(...args)),
    killRemaining: (...args) => inTurn('killRemaining', () => sim.killRemaining(...args)),
    cleanUp: (...args) => inTurn('cleanUp', () => sim.cleanUp(...args)),
    delete: (...args) => inTurn('delete', () => sim.delete(...args)),
    processState: sim.processState.bind(sim),
    schedulingState: sim.schedulingState.bind(sim),
    isFrozen: sim.isFrozen.bind(sim),
    isStarted: sim.isStarted.bind(sim),
    exits: sim.exits,
    close: () => sim.close(),
  }
}
