import { describe, expect, it } from 'vitest'
import { sightOf } from '../../../src/actors/recovery/sight.ts'
import { Container, type ContainerState, type ExitStatus } from '../../../src/container.ts'
import { bootId } from '../../../src/impl/process-identity.ts'
import type { ProcessIdentity, RuntimeImpl } from '../../../src/impl/runtime-impl.ts'
import { emptyOwnRecord, type OwnRecord } from '../../../src/store/state-record.ts'
import { silentLogger } from '../../../src/surroundings/logger.ts'
import { SimulatedClock, SimulatedRuntime } from '../../../src/testing.ts'

const init = { pid: 4_194_400, startTicks: '7' }
const monitor = { pid: 4_194_399, startTicks: '6' }
const exit: ExitStatus = { kind: 'code', code: 3, inferredSignal: undefined, oomKilled: false, finished: '' }

interface World {
  readonly state?: Partial<ContainerState>
  readonly own?: Partial<OwnRecord>
  readonly processState?: (identity: ProcessIdentity) => 'alive' | 'gone'
  readonly isFrozen?: RuntimeImpl['isFrozen']
}

/** What is seen of a container in such a world, and whom somebody has looked at. */
async function look({
  state,
  own,
  processState = () => 'alive',
  isFrozen = () => Promise.resolve(true),
}: World) {
  const clock = new SimulatedClock()
  const looked: string[] = []
  const complaints: unknown[] = []
  const impl: RuntimeImpl = new SimulatedRuntime({ clock })
  impl.processState = (identity) => {
    looked.push(`pid ${identity.pid}`)
    return processState(identity)
  }
  impl.isFrozen = (...args) => {
    looked.push('freezer')
    return isFrozen(...args)
  }
  const container = new Container({ id: 'c1', bundlePath: '/b' })
  const logger = { ...silentLogger, warn: (fields: object) => complaints.push(fields) }
  const record = {
    state: { ...container.state, status: 'running', created: 'then', started: 'then', ...state } as const,
    own: { ...emptyOwnRecord, init, monitor, bootId: bootId(), ...own },
  }
  const sight = await clock.runUntil(sightOf({ clock, logger, limitMs: 500 }, container, impl, record))
  return { sight, looked, complaints }
}

describe('a look at what an earlier supervisor left', () => {
  it('sees both processes and the freezer', async () => {
    const { sight, looked } = await look({})
    expect(sight).toMatchObject({ isSameBoot: true, init: 'alive', monitor: 'alive', isFrozen: true })
    expect(looked).toEqual(['pid 4194400', 'pid 4194399', 'freezer'])
  })

  it('tells who is gone, and asks no freezer of a process that is', async () => {
    const { sight, looked } = await look({ processState: ({ pid }) => (pid === init.pid ? 'gone' : 'alive') })
    expect(sight).toMatchObject({ init: 'gone', monitor: 'alive', isFrozen: undefined })
    expect(looked).not.toContain('freezer')
  })

  it('asks no freezer of what was never started', async () => {
    const { sight, looked } = await look({ state: { status: 'created', started: undefined } })
    expect(sight).toMatchObject({ init: 'alive', isFrozen: undefined })
    expect(looked).not.toContain('freezer')
  })

  it.each([
    ['of an exit that is recorded', { state: { status: 'stopped', exit } }],
    ['of a clean-up', { state: { status: undefined } }],
    ['of another boot, whose pids are others’ now', { own: { bootId: 'of-another-boot' } }],
  ] as const)('does not look at the processes %s', async (_, world) => {
    const { sight, looked } = await look(world)
    expect(sight).toMatchObject({ init: 'unknown', monitor: 'unknown', isFrozen: undefined })
    expect(looked).toEqual([])
  })

  it('looks at a stopped container whose exit is not recorded', async () => {
    const { looked } = await look({ state: { status: 'stopped' } })
    expect(looked).toContain('pid 4194400')
  })

  it('takes neither an error nor silence for an answer, and says so', async () => {
    const processState = ({ pid }: ProcessIdentity): 'alive' => {
      if (pid === monitor.pid) throw new Error('EMFILE')
      return 'alive'
    }
    const { sight, complaints } = await look({ processState, isFrozen: () => new Promise(() => undefined) })
    expect(sight).toMatchObject({ init: 'alive', monitor: 'unknown', isFrozen: undefined })
    expect(complaints).toMatchObject([
      { pid: monitor.pid, err: { message: 'EMFILE' } },
      { containerId: 'c1', err: { code: 'ERR_TIMEOUT' } },
    ])
  })

  it('knows nothing of processes that were never noted', async () => {
    const { sight, looked } = await look({ own: { init: undefined, monitor: undefined } })
    expect(sight).toMatchObject({ init: 'unknown', monitor: 'unknown', isFrozen: undefined })
    expect(looked).toEqual([])
  })

  it('looks at the host where the implementation has no processes of its own', async () => {
    const clock = new SimulatedClock()
    const impl: RuntimeImpl = new SimulatedRuntime({ clock })
    Object.assign(impl, { processState: undefined })
    const container = new Container({ id: 'c1', bundlePath: '/b' })
    const own = { ...emptyOwnRecord, init, monitor: undefined, bootId: bootId() }
    const state = { ...container.state, status: 'running' } as const
    // A pid beyond what the kernel gives.
    expect(
      await sightOf({ clock, logger: silentLogger, limitMs: 500 }, container, impl, { state, own }),
    ).toMatchObject({
      init: 'gone',
      monitor: 'unknown',
    })
  })
})
