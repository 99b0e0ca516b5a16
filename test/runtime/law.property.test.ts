/**
 * The law of a container's life, whatever is asked of it and whatever goes wrong: created ≺ started ≺ exited ≺ deleted,
 * each at most once, an exit or a failure of whatever was created, commands in it between its start and its exit, an answer
 * to every request, and nothing left at the end.
 */
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { isOciError, type Container } from '../../src/index.ts'
import type { SimulatedFault, SimulatedProgram } from '../../src/testing.ts'
import { lifecycleEffects } from '../../src/impl/sim/fault-script.ts'
import { openStage, type Stage } from './stage.ts'

const ms = fc.constantFrom(0, 1, 50, 400, 3000, 12_000)

const program: fc.Arbitrary<SimulatedProgram> = fc.record(
  {
    runsForMs: ms,
    exitCode: fc.constantFrom(0, 3, 137),
    onTerm: fc.constantFrom('exit' as const, 'ignore' as const, { exitCode: 4, afterMs: 700 }),
    onKill: fc.constantFrom('exit' as const, { afterMs: 2000 }),
    exitsBeforeStart: fc.boolean(),
    exitReportedAfterMs: ms,
    leavesProcesses: fc.boolean(),
    oomAfterMs: fc.constantFrom(100, 60_000),
  },
  { requiredKeys: [] },
)

const effects = [...lifecycleEffects, 'execSync', 'startExec'] as const

const fault: fc.Arbitrary<SimulatedFault> = fc.oneof(
  fc.record({ effect: fc.constantFrom(...effects), fault: fc.constant('fail' as const), delayMs: ms }),
  fc.record({ effect: fc.constantFrom(...effects), fault: fc.constant('failAfterEffect' as const) }),
  fc.record({
    effect: fc.constantFrom(...effects.filter((effect) => effect !== 'discard')),
    fault: fc.constant('hang' as const),
  }),
  fc.record({ effect: fc.constantFrom(...effects), fault: fc.constant('late' as const), delayMs: ms }),
)

type Step = (stage: Stage, container: Container) => Promise<unknown> | undefined

const request = (name: string, step: Step): readonly [string, Step] => [name, step]
/** Something that happens in the world; it may be too late for it. */
const happening = (name: string, act: (stage: Stage, id: string) => void): readonly [string, Step] => [
  name,
  (stage, { id }) => {
    if (stage.sim.world(id).exists) act(stage, id)
    return undefined
  },
]

const steps = [
  // Another life of the same object has a law of its own.
  request('create', ({ runtime }, container) =>
    container.phase === 'deleted' ? undefined : runtime.createContainer(container),
  ),
  request('start', ({ runtime }, container) => runtime.startContainer(container)),
  request('start', ({ runtime }, container) => runtime.startContainer(container)),
  request('pause', ({ runtime }, container) => runtime.pauseContainer(container)),
  request('unpause', ({ runtime }, container) => runtime.unpauseContainer(container)),
  request('stop 0', ({ runtime }, container) => runtime.stopContainer(container, 0)),
  request('stop 1', ({ runtime }, container) => runtime.stopContainer(container, 1)),
  request('delete', ({ runtime }, container) => runtime.deleteContainer(container)),
  request('delete softly', ({ runtime }, container) => runtime.deleteContainer(container, { force: false })),
  request('signal', ({ runtime }, container) => runtime.signalContainer(container, 'USR1')),
  request('command', ({ runtime }, container) => runtime.execSyncContainer(container, ['sleep', '1'], 2)),
  request('long command', ({ runtime }, container) =>
    runtime.execSyncContainer(container, ['sleep', 'infinity']),
  ),
  request('own command', ({ runtime }, container) => runtime.startExec(container, ['sleep', '1'])),
  request('deaf command', ({ runtime }, container) => runtime.execContainer(container, ['deaf'])),
  request('refresh', ({ runtime }, container) => runtime.updateContainerStatus(container)),
  happening('exits', ({ sim }, id) => {
    sim.exitNow(id, 3)
  }),
  happening('monitor dies', ({ sim }, id) => {
    sim.killMonitor(id)
  }),
  happening('is started', ({ sim }, id) => {
    const { alive, frozen, status } = sim.world(id)
    if (alive && !frozen && status === 'created') sim.startFromOutside(id)
  }),
  happening('is frozen', ({ sim }, id) => {
    sim.freezeFromOutside(id)
  }),
  happening('is thawed', ({ sim }, id) => {
    sim.thawFromOutside(id)
  }),
  happening('is deleted', ({ sim }, id) => {
    sim.deleteFromOutside(id)
  }),
]

const life = fc.record({
  program,
  faults: fc.array(fault, { maxLength: 4 }),
  script: fc.array(fc.record({ step: fc.nat(steps.length - 1), thenMs: ms }), {
    minLength: 1,
    maxLength: 10,
  }),
})

/** A look by the wrong end is a refusal; anything that is no OciError is a defect. */
async function answerOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt
    return 'done'
  } catch (error) {
    return isOciError(error) && error.code !== 'ERR_INTERNAL' ? error.code : `defect: ${String(error)}`
  }
}

/** Each command that was started ends, once, and all of that while the container runs. */
function expectCommandsWithin(told: readonly string[]): void {
  const commands = told.filter((type) => type.startsWith('exec'))
  const ended = commands.filter((type) => type === 'execExited')
  expect(ended.length * 2).toBe(commands.length)
  if (commands.length === 0) return
  expect(told.indexOf('execStarted')).toBeGreaterThan(told.indexOf('started'))
  expect(told.indexOf('execStarted')).toBeLessThan(told.indexOf('execExited'))
  expect(told.lastIndexOf('execExited')).toBeLessThan(told.indexOf('exited'))
}

it('holds for any life', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(life, async ({ program: chosen, faults, script }) => {
      const stage = await openStage()
      const { runtime, clock, sim, told } = stage
      const container = stage.describe(chosen)
      for (const each of faults) sim.inject(container.id, each)
      sim.command(container.id, 'deaf', { runsForMs: Infinity, onTerm: 'ignore', onKill: { afterMs: 700 } })
      const answers = [answerOf(runtime.createContainer(container))]
      for (const { step, thenMs } of script) {
        const attempt = steps[step]?.[1](stage, container)
        if (attempt !== undefined) answers.push(answerOf(attempt))
        if (thenMs > 0) await clock.advance(thenMs)
      }
      // What outlasts every timeout of every effect has been answered.
      await clock.advance(400_000)
      sim.clearFaults()
      answers.push(answerOf(clock.runUntil(runtime.deleteContainer(container))))
      const outcomes = await Promise.all(answers)
      expect(outcomes.filter((outcome) => outcome.startsWith('defect'))).toEqual([])

      const law = told(container).filter((type) => /^(created|started|exited|deleted)$/.test(type))
      expect(law).toEqual(['created', 'started', 'exited', 'deleted'].filter((type) => law.includes(type)))
      expect(law.includes('exited') && !law.includes('created')).toBe(false)
      const hasEnd = law.includes('exited') || told(container).includes('failed')
      expect(law.includes('created') && !hasEnd).toBe(false)
      const { created = '', started = created, finished = started } = container.state
      expect([created, started, finished].toSorted()).toEqual([created, started, finished])
      expect(law.at(-1)).toBe('deleted')
      expectCommandsWithin(told(container))
      expect(container.phase).toBe('deleted')
      expect(sim.ids).toEqual([])
      await clock.advance(60_000)
      expect(clock.pending).toBe(0)
      await runtime.close()
    }),
    { numRuns: 150 },
  )
})
