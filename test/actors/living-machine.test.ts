import { describe, expect, it } from 'vitest'
import { fromPromise, type InspectionEvent } from 'xstate'
import { LivingMachine, type LivingMachineOptions } from '../../src/actors/living-machine.ts'
import type { Succession } from '../../src/actors/rebuild.ts'
import { OciError, toOciError } from '../../src/errors/index.ts'
import { containerMachine } from '../../src/machines/container.machine.ts'
import type { Adoption } from '../../src/machines/context.ts'
import { defaultContainerLimits } from '../../src/machines/delays.ts'
import { phaseOf } from '../../src/machines/phase.ts'
import { SimulatedClock } from '../../src/testing.ts'

const running: Adoption = {
  phase: 'running',
  init: { pid: 42, startTicks: '1' },
  monitor: undefined,
  monitorLostAt: undefined,
  created: 'then',
  started: 'then',
  exit: undefined,
  error: undefined,
}

const pause = { type: 'container.pause', requestId: 1 } as const
const lost = { type: 'monitor.lost', at: 'now' } as const

/** The machine of a running container, whose steps fail when the test says so, and whose successors it holds back. */
function stage(options: Partial<LivingMachineOptions> = {}) {
  const clock = new SimulatedClock()
  const deaths: boolean[] = []
  const signals: AbortSignal[] = []
  const successions: PromiseWithResolvers<Succession>[] = []
  const successors: Succession[] = []
  let failing = 0
  const machine = containerMachine.provide({
    actors: {
      pause: fromPromise<void, { readonly id: string }>(({ signal }) => {
        signals.push(signal)
        return new Promise(() => undefined)
      }),
    },
  })
  const living = new LivingMachine({
    machine,
    id: 'c1',
    limits: defaultContainerLimits,
    clock,
    stepped: () => {
      if (failing === 0) return
      failing -= 1
      throw new TypeError('poison')
    },
    asInternal: (error) => toOciError(error, 'ERR_INTERNAL', { containerId: 'c1' }),
    died: (_, isFinal) => deaths.push(isFinal),
    succession: () => {
      const succession = Promise.withResolvers<Succession>()
      successions.push(succession)
      return succession.promise
    },
    succeeded: (succession) => successors.push(succession),
    ...options,
  })
  return {
    clock,
    living,
    deaths,
    signals,
    successors,
    phase: () => phaseOf(living.snapshot.value),
    die: async (event: Parameters<LivingMachine['send']>[0] = pause) => {
      failing = 1
      living.send(event)
      await clock.settle()
    },
    succeed: async (facts: Succession['facts'] = []) => {
      successions.shift()?.resolve({ adopt: running, facts, startIsNews: false })
      await clock.settle()
    },
  }
}

/** What an observer has seen begin: the events that steps are made of. */
function observer() {
  const seen: string[] = []
  const observe = (event: InspectionEvent): void => {
    if (event.type === '@xstate.event') seen.push(event.event.type)
  }
  return { seen, observe }
}

describe('a machine that lives on', () => {
  it('is no machine before it began', () => {
    const { living } = stage()
    expect(() => living.snapshot).toThrow('before it began')
    expect(living.send(lost)).toBe(false)
  })

  it('hears nobody after it was stopped', () => {
    const { living, phase } = stage()
    living.stop()
    living.start(running)
    living.stop()
    expect([living.send(pause), phase()]).toEqual([false, 'running'])
  })

  it('that dies in a step leaves nothing of it under way: neither effects nor timers', async () => {
    const { clock, living, die, signals, deaths } = stage()
    living.start(running)
    await die()
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
    expect([deaths, living.isRebuilding, clock.pending]).toEqual([[false], true, 0])
  })

  it('has what it is told meanwhile told to its successor, after what that inherits; commands are not', async () => {
    const { living, die, succeed, successors } = stage()
    const { seen, observe } = observer()
    living.start(running)
    await die()
    expect([living.send(lost), living.send(pause)]).toEqual([true, false])
    living.observe(observe)
    const ready = living.ready()
    await succeed([{ type: 'container.exited', code: 3, finished: 'now' }])
    await ready
    expect([successors.length, living.isRebuilding]).toEqual([1, false])
    expect(seen.filter((type) => /exited|lost|pause/.test(type))).toEqual([
      'container.exited',
      'monitor.lost',
    ])
  })

  it('keeps sixteen of the facts for its successor, however many there are', async () => {
    const { living, die, succeed } = stage()
    const { seen, observe } = observer()
    living.start(running)
    await die()
    for (let fact = 0; fact < 20; fact += 1) living.send(lost)
    living.observe(observe)
    await succeed()
    expect(seen.filter((type) => type === 'monitor.lost')).toHaveLength(16)
  })

  it('has no successor once it was stopped', async () => {
    const { living, die, succeed, successors } = stage()
    living.start(running)
    await die()
    living.stop()
    await succeed()
    expect([successors, living.isRebuilding, living.send(lost)]).toEqual([[], false, false])
  })

  it('dies for good when nobody can say how it goes on', async () => {
    const { living, die, deaths } = stage({
      succession: () => Promise.reject(new OciError('ERR_IO', 'no look')),
    })
    living.start(running)
    await die()
    expect([deaths, living.isRebuilding, living.send(lost)]).toEqual([[false, true], false, false])
  })

  it('is observed together with its successors, also by who comes in between, until he leaves', async () => {
    const { living, die, succeed } = stage()
    const [first, second] = [observer(), observer()]
    living.observe(first.observe)
    living.start(running)
    living.send(lost)
    expect(first.seen).toContain('monitor.lost')
    await die()
    living.observe(second.observe)
    const { length } = first.seen
    await succeed()
    living.send(pause)
    expect(second.seen).toContain('container.pause')
    expect(first.seen).toHaveLength(length)
    living.observe(undefined)
    const told = second.seen.length
    living.send({ type: 'container.exited', code: 0, finished: 'now' })
    expect(second.seen).toHaveLength(told)
  })
})
