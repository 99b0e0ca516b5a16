import { describe, expect, it } from 'vitest'
import { successionOf, witnessOf, type Witness } from '../../src/actors/rebuild.ts'
import type { LookScope } from '../../src/actors/look.ts'
import type { MachineSnapshot } from '../../src/actors/start-actor.ts'
import { Container } from '../../src/container.ts'
import { OciError } from '../../src/errors/index.ts'
import { defaultContainerLimits } from '../../src/machines/delays.ts'
import { initialContext, type ContainerContext } from '../../src/machines/context.ts'
import { silentLogger } from '../../src/surroundings/logger.ts'
import type { RuntimeImpl } from '../../src/impl/runtime-impl.ts'
import { SimulatedClock, SimulatedRuntime } from '../../src/testing.ts'

const error = new OciError('ERR_INTERNAL', 'an action threw')
const earlier = new OciError('ERR_TIMEOUT', 'not created in time')
const at = 'now'
const reported = { code: 3, finished: 'then' }
const exit = { kind: 'code', code: 3, inferredSignal: undefined, oomKilled: false, finished: 'then' } as const

/** The last state of a machine that died there. */
function last(value: unknown, context: Partial<ContainerContext> = {}): MachineSnapshot {
  const whole = { ...initialContext({ id: 'c1', limits: defaultContainerLimits }), ...context }
  // Of a snapshot nothing else is read.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { value, context: whole } as MachineSnapshot
}

function witness(status: Awaited<ReturnType<Witness['observe']>>): Witness {
  return { error, at, observe: () => Promise.resolve(status) }
}

const nobody: Witness = { error, at, observe: () => expect.fail('nobody has to be asked') }
const created = { created: 'c' }
const started = { created: 'c', started: 's' }

describe('the successor of a machine that died', () => {
  it('removes whatever there is of a container that was not created yet', async () => {
    expect(await successionOf(last('creating'), nobody)).toMatchObject({
      adopt: { phase: 'uncertain', error },
      facts: [],
      startIsNews: false,
    })
  })

  it('goes on with a clean-up, for the reason that it was begun for', async () => {
    const { adopt } = await successionOf(
      last({ cleaning: 'backingOff' }, { ...created, error: earlier }),
      nobody,
    )
    expect(adopt).toMatchObject({ phase: 'uncertain', error: earlier })
  })

  it.each(['stopped', { deleting: 'attempting' }])(
    'of a container that has ended (%j) begins there',
    async (value) => {
      const { adopt, facts } = await successionOf(last(value, { ...started, exit }), nobody)
      expect([adopt.phase, adopt.exit, facts]).toEqual(['stopped', exit, []])
    },
  )

  it.each([
    [started, 'running'],
    [created, 'created'],
  ])('settles an exit anew: %j', async (context, phase) => {
    const value = { exiting: 'recording' }
    const { adopt, facts } = await successionOf(last(value, { ...context, exit, reported }), nobody)
    expect([adopt.phase, adopt.exit, facts]).toEqual([
      phase,
      undefined,
      [{ type: 'container.exited', ...reported }],
    ])
  })

  it('knows that an unreported end was one, and when it was first seen', async () => {
    const value = { exiting: 'awaitingFile' }
    const seen = await successionOf(last(value, { ...started, goneAt: 'before' }), nobody)
    expect(seen.facts).toEqual([{ type: 'process.gone', at: 'before' }])
    const unseen = await successionOf(last(value, started), nobody)
    expect(unseen.facts).toEqual([{ type: 'process.gone', at }])
  })

  it.each([
    ['running', started, 'running', false, 's'],
    ['paused', started, 'paused', false, 's'],
    // It was started, and the machine died before it could say so.
    ['running', created, 'running', true, at],
    ['created', created, 'created', false, undefined],
    [undefined, created, 'created', false, undefined],
    [undefined, started, 'running', false, 's'],
    [undefined, { ...started, maybeFrozen: true }, 'paused', false, 's'],
  ] as const)(
    'believes the world: %s of %j is %s',
    async (status, context, phase, startIsNews, startedAt) => {
      const succession = await successionOf(last({ live: { life: 'running' } }, context), witness(status))
      expect(succession).toMatchObject({ adopt: { phase }, facts: [], startIsNews })
      expect(succession.adopt.started).toBe(startedAt)
    },
  )

  it.each(['running', 'created'] as const)(
    'hears of an exit that was reported to its predecessor (%s)',
    async (status) => {
      const { facts } = await successionOf(
        last({ live: { life: 'starting' } }, { ...created, reported }),
        witness(status),
      )
      expect(facts).toEqual([{ type: 'container.exited', ...reported }])
    },
  )

  it.each(['stopped', 'absent'] as const)('hears that a container which is %s has ended', async (status) => {
    const { adopt, facts } = await successionOf(last({ live: { life: 'running' } }, started), witness(status))
    expect([adopt.phase, facts]).toEqual(['running', [{ type: 'process.gone', at }]])
  })

  it('inherits what is known of its processes', async () => {
    const known = {
      ...started,
      init: { pid: 2, startTicks: '1' },
      monitor: { pid: 1, startTicks: '1' },
      monitorLostAt: 'm',
      error: earlier,
    }
    const { adopt } = await successionOf(last({ live: { life: 'running' } }, known), witness('running'))
    expect(adopt).toMatchObject(known)
  })
})

/** A container with a living process, whose runtime says that it is paused. */
function scopeOf(changes: Partial<LookScope>) {
  const clock = new SimulatedClock()
  const complaints: unknown[] = []
  const asked: string[] = []
  const impl: RuntimeImpl = new SimulatedRuntime({ clock })
  impl.observe = () => {
    asked.push('runtime')
    return Promise.resolve({ status: 'paused', init: undefined })
  }
  const scope = {
    container: new Container({ id: 'c1', bundlePath: '/b' }),
    impl,
    clock,
    observeTimeoutMs: 500,
    init: { pid: 2, startTicks: '1' },
    isLive: true,
    phase: 'running',
    phaseCount: 0,
    waitingFor: undefined,
    ownsProcess: () => true,
    fact: () => undefined,
    logger: { ...silentLogger, warn: (fields: object) => complaints.push(fields) },
    ...changes,
  } as const
  return { scope, clock, impl, asked, complaints }
}

describe('the witness of a death', () => {
  it('asks the runtime about a process that lives', async () => {
    const { scope, asked } = scopeOf({})
    expect(await witnessOf(scope, error).observe()).toBe('paused')
    expect(asked).toEqual(['runtime'])
  })

  it('asks nobody about a process that is gone', async () => {
    const { scope, asked } = scopeOf({ ownsProcess: () => false })
    expect(await witnessOf(scope, error).observe()).toBe('stopped')
    expect(asked).toEqual([])
  })

  it('asks the runtime where no process is known', async () => {
    const { scope } = scopeOf({ init: undefined, ownsProcess: () => false })
    expect(await witnessOf(scope, error).observe()).toBe('paused')
  })

  it('does not take a process that lives for a start of its command', async () => {
    const { scope, impl } = scopeOf({ phase: 'starting' })
    impl.observe = () => Promise.resolve({ status: 'running', init: undefined, isOfProcessOnly: true })
    expect(await witnessOf(scope, error).observe()).toBeUndefined()
    expect(await witnessOf({ ...scope, phase: 'paused' }, error).observe()).toBe('running')
  })

  it('says nothing where the world does not answer', async () => {
    const { scope, clock, impl, complaints } = scopeOf({})
    impl.observe = () => new Promise(() => undefined)
    expect(await clock.runUntil(witnessOf(scope, error).observe())).toBeUndefined()
    expect(complaints).toMatchObject([{ containerId: 'c1', err: { code: 'ERR_TIMEOUT' } }])
  })
})
