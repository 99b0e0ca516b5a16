import { Gauge, Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defineConfig } from '../../src/config/index.ts'
import { Container, type ContainerPhase } from '../../src/container.ts'
import { SimulatedClock } from '../../src/impl/sim/simulated-clock.ts'
import { SimulatedRuntime } from '../../src/impl/sim/simulated-runtime.ts'
import { collectMetrics } from '../../src/metrics.ts'
import type { PhaseEvent } from '../../src/observe/events.ts'
import { OperationTimes } from '../../src/observe/metrics/operations.ts'
import { Runtime } from '../../src/runtime.ts'
import { memoryStateDirectory } from '../../src/store/memory-state-directory.ts'

let clock: SimulatedClock
let sim: SimulatedRuntime
let runtime: Runtime
let register: Registry
let stop: () => void

beforeEach(async () => {
  clock = new SimulatedClock()
  sim = new SimulatedRuntime({ clock })
  const config = defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } })
  const options = { clock, implementations: { sim: () => sim }, stateDirectory: memoryStateDirectory() }
  runtime = await Runtime.open(config, options)
  register = new Registry()
  stop = collectMetrics(runtime, { register })
})
afterEach(() => runtime.close())

async function run(id: string): Promise<Container> {
  const container = new Container({ id, bundlePath: `/bundles/${id}` })
  await runtime.createContainer(container)
  await runtime.startContainer(container)
  return container
}

/** The sample as Prometheus reads it, undefined when there is none. */
async function sample(name: string): Promise<number | undefined> {
  const lines = (await register.metrics()).split('\n')
  const line = lines.find((text) => text.startsWith(`oci_supervisor_${name} `))
  return line === undefined ? undefined : Number(line.split(' ').at(-1))
}

describe('the metrics of a runtime', () => {
  it('say how many containers are in which state', async () => {
    await run('one')
    const two = await run('two')
    await runtime.pauseContainer(two)
    expect(await sample('containers{state="running",handler="sim"}')).toBe(1)
    expect(await sample('containers{state="paused",handler="sim"}')).toBe(1)
    await runtime.deleteContainer(two)
    expect(await sample('containers{state="paused",handler="sim"}')).toBeUndefined()
  })

  it('measure a stop from its request to the recorded exit, and count that KILL had to follow', async () => {
    sim.program('deaf', { onTerm: 'ignore' })
    const deaf = await run('deaf')
    await clock.runUntil(runtime.stopContainer(deaf, 4))
    const labels = 'operation="stopContainer",outcome="done"'
    expect(await sample(`operation_duration_seconds_count{${labels}}`)).toBe(1)
    expect(await sample(`operation_duration_seconds_sum{${labels}}`)).toBeCloseTo(4, 1)
    expect(await sample('stop_escalations_total')).toBe(1)
    expect(await sample('exits_total{kind="signal",reason=""}')).toBe(1)

    await runtime.stopContainer(await run('gentle'), 4)
    await runtime.stopContainer(await run('hurried'), 0)
    expect(await sample('stop_escalations_total')).toBe(1)
  })

  it('tell successes of operations from failures', async () => {
    sim.inject('bad', { effect: 'create', fault: 'fail' })
    await run('good')
    await run('bad').catch(() => undefined)
    expect(await sample('operation_duration_seconds_count{operation="createContainer",outcome="done"}')).toBe(
      1,
    )
    expect(
      await sample('operation_duration_seconds_count{operation="createContainer",outcome="failed"}'),
    ).toBe(1)
    expect(await sample('operation_duration_seconds_count{operation="startContainer",outcome="done"}')).toBe(
      1,
    )
    expect(await sample('failures_total{code="ERR_CREATE_FAILED"}')).toBe(1)
  })

  it('count exits by kind, kills by the kernel, and the deaths of monitors', async () => {
    for (const id of ['zero', 'one', 'hog', 'orphan']) await run(id)
    sim.exitNow('zero', 0)
    sim.exitNow('one', 1)
    sim.oomKill('hog')
    sim.killMonitor('orphan')
    await clock.advance(15_000)
    sim.killProcessSilently('orphan')
    await clock.advance(30_000)
    expect(await sample('exits_total{kind="success",reason=""}')).toBe(1)
    expect(await sample('exits_total{kind="failure",reason=""}')).toBe(1)
    expect(await sample('exits_total{kind="signal",reason=""}')).toBe(1)
    expect(await sample('exits_total{kind="unknown",reason="monitor-lost"}')).toBe(1)
    expect(await sample('oom_kills_total')).toBe(1)
    expect(await sample('monitor_deaths_total')).toBe(1)
  })

  it('count what subscribers lost', async () => {
    const events = runtime.events()[Symbol.asyncIterator]()
    const web = await run('web')
    for (let round = 0; round < 250; round += 1) {
      await runtime.pauseContainer(web)
      await runtime.unpauseContainer(web)
    }
    const first = await events.next()
    expect(first.value).toMatchObject({ type: 'dropped' })
    expect(first.value).toHaveProperty('count', await sample('events_dropped_total'))
    await events.return?.()
  })

  it('have the lag of the event loop and what the last recovery did', async () => {
    expect(await sample('event_loop_lag_seconds{of="max"}')).toBeGreaterThanOrEqual(0)
    expect(await sample('recovered_containers{outcome="adopted"}')).toBe(0)
    expect(await sample('recovery_duration_seconds')).toBeGreaterThanOrEqual(0)
  })

  it('are refused to a registry that has them, which keeps those it has', async () => {
    const before = register.getMetricsAsArray()
    expect(() => collectMetrics(runtime, { register })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'prefix', operation: 'collectMetrics' }),
    )
    // One of them only, the last that is made.
    const other = new Registry()
    other.registerMetric(
      new Gauge({ name: 'oci_supervisor_event_loop_lag_seconds', help: 'x', registers: [] }),
    )
    expect(() => collectMetrics(runtime, { register: other })).toThrow(/already/)
    expect(other.getMetricsAsArray()).toHaveLength(1)
    expect(register.getMetricsAsArray()).toEqual(before)
    await run('web')
    expect(await sample('containers{state="running",handler="sim"}')).toBe(1)
    collectMetrics(runtime, { register, prefix: 'second_' })()
    expect(register.getMetricsAsArray()).toEqual(before)
  })

  it('are gone when they are stopped, and can be collected again', async () => {
    await run('web')
    stop()
    expect(await register.metrics()).toBe('\n')
    collectMetrics(runtime, { register })
    await run('other')
    expect(await sample('operation_duration_seconds_count{operation="createContainer",outcome="done"}')).toBe(
      1,
    )
  })
})

function phase(from: ContainerPhase, to: ContainerPhase, inPhaseMs = 1): PhaseEvent {
  return { type: 'phase', from, to, inPhaseMs }
}

describe('the time of an operation', () => {
  it('that something else overtook is told apart', () => {
    const times = new OperationTimes()
    expect(times.ended('c', phase('pausing', 'exiting'))?.outcome).toBe('overtaken')
    expect(times.ended('c', phase('creating', 'cleaning'))?.outcome).toBe('failed')
    expect(times.ended('c', phase('running', 'exiting'))).toBeUndefined()
    expect(times.ended('c', phase('exiting', 'stopped'))).toBeUndefined()
  })

  it('of a stop is the sum of its phases', () => {
    const times = new OperationTimes()
    expect(times.ended('c', phase('running', 'stopping.signalling', 1000))).toBeUndefined()
    expect(times.ended('c', phase('stopping.signalling', 'stopping.grace', 5))).toBeUndefined()
    expect(times.ended('c', phase('stopping.grace', 'exiting', 20))).toBeUndefined()
    expect(times.ended('c', phase('exiting', 'stopped', 3))).toEqual({
      operation: 'stopContainer',
      outcome: 'done',
      durationMs: 28,
    })
  })
})
