import { describe, expect, it } from 'vitest'
import type { OciLinuxResources } from '../../../src/bundle/oci-spec.ts'
import type { SimulatedProgram } from '../../../src/testing.ts'
import { containerOf, simulation } from './fixture.ts'

const MiB = 1024 * 1024
const GiB = 1024 * MiB

interface Request {
  readonly resources?: OciLinuxResources
  readonly namespaces?: string[]
}

async function stage(program: SimulatedProgram = {}, { resources = {}, namespaces }: Request = {}) {
  const world = simulation()
  const { sim, signal } = world
  sim.program('c', program)
  const container = containerOf('c', ['server'])
  const { spec } = container
  if (spec?.linux !== undefined) {
    spec.linux.resources = resources
    spec.linux.namespaces = (namespaces ?? ['pid', 'network']).map((type) => ({ type }))
    container.setSpec(spec)
  }
  await world.create(container)
  return {
    ...world,
    container,
    begin: () => world.start(container),
    stats: () => sim.stats(container, { signal }),
    update: (changes: OciLinuxResources) => sim.update(container, changes, { signal }),
  }
}

describe('a sample of a container', () => {
  it('has what its processes use, over the time that they have run', async () => {
    const usage = {
      cpuPercent: 50,
      memoryBytes: 20 * MiB,
      pids: 4,
      netInputBytesPerSecond: 1000,
      netOutputBytesPerSecond: 10,
      blockInputBytesPerSecond: 4096,
      blockOutputBytesPerSecond: 1,
    }
    const { stats, begin, clock } = await stage({ usage }, { resources: { memory: { limit: 80 * MiB } } })
    await clock.advance(1000)
    expect(await stats()).toMatchObject({ cpuNano: 0n, cpu: 0, memUsage: 0, pids: 0 })
    await begin()
    await clock.advance(2000)
    const { cpu, ...rest } = await stats()
    expect(cpu).toBeCloseTo(50)
    expect(rest).toEqual({
      container: 'c',
      cpuNano: 1_000_000_000n,
      systemNano: 1_577_836_803_000_000_000n,
      memUsage: 20 * MiB,
      memLimit: 80 * MiB,
      memPerc: 0.25,
      netInput: 2000,
      netOutput: 20,
      blockInput: 8192,
      blockOutput: 2,
      pids: 4,
      memTotalBytes: 20 * MiB,
      throttling: { periods: 0, throttledPeriods: 0, throttledNano: 0n },
      oomKills: 0,
      psi: undefined,
    })
  })

  it('has the share of the CPU since the one before', async () => {
    const { sim, stats, begin, clock } = await stage({ usage: { cpuPercent: 10 } })
    sim.command('c', 'burn', { runsForMs: 1000, usage: { cpuPercent: 90 } })
    await begin()
    await clock.advance(1000)
    expect((await stats()).cpu).toBeCloseTo(10)
    const { signal } = new AbortController()
    const burning = sim.execs.execSync(containerOf('c'), { argv: ['burn'] }, { signal })
    await clock.advance(500)
    const during = await stats()
    expect(during.cpu).toBeCloseTo(100)
    expect(during).toMatchObject({ pids: 2, memUsage: 2 * MiB })
    await clock.advance(1000)
    expect(await burning).toMatchObject({ exitCode: 0 })
    const after = await stats()
    expect(after.cpu).toBeCloseTo(55)
    expect(after).toMatchObject({ pids: 1, cpuNano: 1_150_000_000n })
  })

  it('stands still while the container is frozen, and after its end but for what it had used', async () => {
    const { sim, stats, begin, clock } = await stage({ usage: { cpuPercent: 100 }, leavesProcesses: true })
    await begin()
    await clock.advance(1000)
    sim.freezeFromOutside('c')
    await clock.advance(5000)
    expect(await stats()).toMatchObject({ cpuNano: 1_000_000_000n, memUsage: MiB, pids: 1 })
    sim.thawFromOutside('c')
    await clock.advance(1000)
    sim.oomKill('c')
    await clock.advance(5000)
    const after = await stats()
    expect(after.cpu).toBeCloseTo(16.67, 1)
    expect(after).toMatchObject({
      cpuNano: 2_000_000_000n,
      memUsage: 0,
      pids: 0,
      netInput: undefined,
      oomKills: 1,
    })
  })

  it('is of the host where there is no limit, and has no network where that is the host', async () => {
    const { stats, begin } = await stage({}, { namespaces: ['pid'], resources: { memory: { limit: 0 } } })
    await begin()
    expect(await stats()).toMatchObject({ memLimit: 8 * GiB, netInput: undefined, netOutput: undefined })
    const rich = await stage({}, { resources: { memory: { limit: 64 * GiB } } })
    expect(await rich.stats()).toMatchObject({ memLimit: 8 * GiB, netInput: 0 })
  })

  it('is refused before the container is created and after it is deleted', async () => {
    const { sim, stats, container, signal } = await stage()
    await sim.cleanUp(container, { signal })
    await expect(stats()).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
  })

  it('is a first one again for a later container of the id', async () => {
    const { sim, stats, begin, create, container, signal, clock } = await stage({ usage: { cpuPercent: 80 } })
    await begin()
    await clock.advance(1000)
    expect((await stats()).cpu).toBeCloseTo(80)
    await sim.cleanUp(container, { signal })
    await create(container)
    expect(await stats()).toMatchObject({ cpu: 0, cpuNano: 0n })
  })
})

describe('an update of a container', () => {
  it('changes what it names and leaves the rest', async () => {
    const { sim, update, stats } = await stage(
      {},
      { resources: { memory: { limit: 64 * MiB, swap: 80 * MiB }, pids: { limit: 10 } } },
    )
    await update({ memory: { limit: 128 * MiB }, cpu: { quota: 50_000, cpus: '0-1' } })
    expect((await stats()).memLimit).toBe(128 * MiB)
    expect(sim.world('c').resources).toEqual({
      memory: { limit: 128 * MiB, swap: 144 * MiB },
      cpu: { quota: 50_000, cpus: '0-1' },
      pids: { limit: 10 },
    })
    await update({})
    await update({ memory: { limit: -1 } })
    expect((await stats()).memLimit).toBe(8 * GiB)
    expect(sim.world('absent').resources).toEqual({})
  })

  it('throttles from then on what wants more than its quota', async () => {
    const { update, stats, begin, clock } = await stage({ usage: { cpuPercent: 200 } })
    await begin()
    await clock.advance(1000)
    await update({ cpu: { quota: 50_000, period: 100_000 } })
    await clock.advance(1000)
    expect(await stats()).toMatchObject({
      cpuNano: 2_500_000_000n,
      throttling: { periods: 10, throttledPeriods: 10, throttledNano: 750_000_000n },
    })
    await update({ cpu: { quota: 400_000 } })
    await clock.advance(1000)
    expect(await stats()).toMatchObject({
      cpuNano: 4_500_000_000n,
      throttling: { periods: 20, throttledPeriods: 10 },
    })
  })

  it.each<[OciLinuxResources, string, string]>([
    [{ memory: { limit: 0 } }, 'ERR_INVALID_ARGUMENT', 'memory.limit'],
    [{ memory: { limit: 1000 } }, 'ERR_INVALID_ARGUMENT', 'memory.limit'],
    [{ cpu: { quota: 1 } }, 'ERR_INVALID_ARGUMENT', 'cpu.quota'],
    [{ cpu: { cpus: '0-7' } }, 'ERR_INVALID_ARGUMENT', 'cpu.cpus'],
    [{ cpu: { mems: '1' } }, 'ERR_INVALID_ARGUMENT', 'cpu.mems'],
    [{ pids: { limit: 0 } }, 'ERR_INVALID_ARGUMENT', 'pids.limit'],
    [{ devices: [] }, 'ERR_UNSUPPORTED', 'devices'],
  ])('is refused as by the real runtime, and changes nothing: %j', async (resources, code, field) => {
    const { sim, update, begin } = await stage()
    await begin()
    await expect(update(resources)).rejects.toMatchObject({ code, field })
    expect(sim.world('c').resources).toEqual({})
  })

  it('needs a container that has not ended', async () => {
    const { sim, update, container, signal } = await stage()
    sim.exitNow('c', 0)
    await expect(update({ pids: { limit: 5 } })).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
    await sim.delete(container, { signal })
    await expect(update({ pids: { limit: 5 } })).rejects.toMatchObject({ code: 'ERR_UNKNOWN_TO_RUNTIME' })
  })
})
