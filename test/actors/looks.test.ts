import { describe, expect, it } from 'vitest'
import { look, Looks, type LookScope } from '../../src/actors/look.ts'
import { Container } from '../../src/container.ts'
import { SimulatedClock, SimulatedRuntime } from '../../src/testing.ts'

/** Looks that end when the test says so. */
function stage() {
  const begun: PromiseWithResolvers<void>[] = []
  const looks = new Looks(() => {
    const held = Promise.withResolvers<void>()
    begun.push(held)
    return held.promise
  })
  return { begun, looks }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

describe('looks at a container', () => {
  it('come one after the other, and who asks during one shares the next', async () => {
    const { begun, looks } = stage()
    const first = looks.ask()
    const [second, third] = [looks.ask(), looks.ask()]
    await turn()
    expect([begun.length, third === second]).toEqual([1, true])
    begun[0]?.resolve()
    await first
    await turn()
    expect(begun).toHaveLength(2)
    const fourth = looks.ask()
    expect(fourth).not.toBe(second)
    begun[1]?.resolve()
    await second
    await turn()
    begun[2]?.resolve()
    await fourth
    expect(begun).toHaveLength(3)
  })

  it('begin at once where none is under way, however the last one ended', async () => {
    const { begun, looks } = stage()
    const first = looks.ask()
    const second = looks.ask()
    begun[0]?.reject(new Error('EIO'))
    await expect(first).rejects.toThrow('EIO')
    await turn()
    expect(begun).toHaveLength(2)
    begun[1]?.resolve()
    await second
    const third = looks.ask()
    expect(begun).toHaveLength(3)
    begun[2]?.resolve()
    await third
  })
})

/** A running container whose process is gone, and what a look tells of it. */
function lookStage(changes: Partial<LookScope> = {}, scan = (): Promise<void> => Promise.resolve()) {
  const clock = new SimulatedClock()
  const impl = new SimulatedRuntime({ clock })
  impl.exits.scan = scan
  const facts: string[] = []
  const scope: LookScope = {
    container: new Container({ id: 'c1', bundlePath: '/b' }),
    impl,
    clock,
    observeTimeoutMs: 1000,
    init: { pid: 42, startTicks: '1' },
    isLive: true,
    phase: 'running',
    phaseCount: 1,
    waitingFor: undefined,
    ownsProcess: () => false,
    fact: ({ type }) => facts.push(type),
    ...changes,
  }
  return { clock, scope, facts }
}

describe('a look', () => {
  it('tells of a process that is gone', async () => {
    const { scope, facts } = lookStage()
    await look(scope)
    expect(facts).toEqual(['process.gone'])
  })

  it('tells nothing of a container that has none to lose', async () => {
    const { scope, facts } = lookStage({ isLive: false })
    await look(scope)
    expect(facts).toEqual([])
  })

  it('that was given up for its time tells nothing later', async () => {
    const scanned = Promise.withResolvers<void>()
    const { clock, scope, facts } = lookStage({}, () => scanned.promise)
    const looked = look(scope).catch((error: unknown) => error)
    await clock.advance(1000)
    expect(await looked).toMatchObject({ code: 'ERR_TIMEOUT', operation: 'updateContainerStatus' })
    scanned.resolve()
    await turn()
    expect(facts).toEqual([])
  })
})
