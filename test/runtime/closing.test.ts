import { describe, expect, it } from 'vitest'
import { Runtime, memoryStateDirectory, OciError, isOciError } from '../../src/index.ts'
import { deaf, immortal, openStage, refusalOf, standing } from './stage.ts'
import { ways } from './ways.ts'

describe('closing with operations in flight', () => {
  it('tells every caller at once, and leaves the containers alone', async () => {
    const { runtime, clock, started, sim, describe: describeContainer } = await openStage()
    const container = await started(deaf)
    const half = describeContainer()
    sim.inject(half.id, { effect: 'create', fault: 'hang' })
    const other = await started()
    sim.freezeFromOutside(other.id)
    sim.inject(other.id, { effect: 'observe', fault: 'hang' })
    const attempts = [
      runtime.createContainer(half),
      runtime.waitContainer(half),
      runtime.updateContainerStatus(other),
      runtime.stopContainer(container, 60),
      runtime.waitContainer(container),
      runtime.waitContainerStateStopped(container),
      runtime.deleteContainer(container),
    ].map((attempt) => refusalOf(attempt))
    await clock.settle()
    await runtime.close()
    const refusals = await Promise.all(attempts)
    expect(new Set(refusals.map(({ code }) => code))).toEqual(new Set(['ERR_CLOSED']))
    expect(refusals.map(({ operation }) => operation)).toEqual([
      'createContainer',
      'waitContainer',
      'updateContainerStatus',
      'stopContainer',
      'waitContainer',
      'waitContainerStateStopped',
      'deleteContainer',
    ])
    expect(sim.world(container.id).alive).toBe(true)
    expect(clock.pending).toBe(0)
  })

  it('waits for them as long as it is told to', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started({ onTerm: { exitCode: 0, afterMs: 3000 } })
    const stop = runtime.stopContainer(container, 60)
    await clock.runUntil(runtime.close({ drainMs: 10_000 }))
    await stop
    expect(clock.now()).toBe(3000)
    expect(clock.pending).toBe(0)
  })

  it('waits no longer than it is told to, and takes nothing new meanwhile', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started(deaf)
    const stop = refusalOf(runtime.stopContainer(container, 60))
    const closing = runtime.close({ drainMs: 2000 })
    expect((await refusalOf(runtime.pauseContainer(container))).code).toBe('ERR_CLOSED')
    await clock.runUntil(closing)
    expect((await stop).code).toBe('ERR_CLOSED')
    expect(clock.now()).toBe(2000)
  })

  it('can wait for ever, but not for no number', async () => {
    const { runtime, clock, started } = await openStage()
    const container = await started({ onTerm: { exitCode: 0, afterMs: 50_000 } })
    expect((await refusalOf(runtime.close({ drainMs: Number.NaN }))).code).toBe('ERR_INVALID_ARGUMENT')
    const stop = runtime.stopContainer(container, 60)
    await clock.runUntil(Promise.all([stop, runtime.close({ drainMs: Number.POSITIVE_INFINITY })]))
    expect(clock.now()).toBe(50_000)
  })
})

describe('a closed runtime', () => {
  it('lets nobody wait for an exit that it will not record', async () => {
    const stage = await openStage()
    const { runtime, clock } = stage
    const container = await ways.exiting(stage)
    const update = refusalOf(runtime.updateContainerStatus(container))
    await clock.settle()
    await clock.runUntil(runtime.close())
    expect((await update).code).toBe('ERR_CLOSED')
  })

  it('refuses every verb', async () => {
    const { runtime, started, describe: describeContainer } = await openStage()
    const container = await started()
    await runtime.close()
    for (const attempt of [
      runtime.createContainer(describeContainer()),
      runtime.startContainer(container),
      runtime.stopContainer(container, 0),
      runtime.deleteContainer(container),
      runtime.pauseContainer(container),
      runtime.unpauseContainer(container),
      runtime.signalContainer(container, 1),
      runtime.updateContainerStatus(container),
      runtime.waitContainer(container),
      runtime.waitContainerStateStopped(container),
      runtime.shutdown(),
    ]) {
      expect((await refusalOf(attempt)).code).toBe('ERR_CLOSED')
    }
  })

  it('still knows its containers and the exits it has recorded', async () => {
    const stage = await openStage()
    const container = await ways.stopped(stage)
    await stage.runtime.close()
    expect(container.status).toBe('stopped')
    expect(await stage.runtime.waitContainer(container)).toMatchObject({ code: 137 })
    expect(stage.runtime.containers.size).toBe(1)
  })

  it('can be closed again, and disposed of', async () => {
    const { runtime } = await openStage()
    await Promise.all([runtime.close(), runtime.close({ drainMs: 10 })])
    await runtime[Symbol.asyncDispose]()
    expect((await refusalOf(runtime.shutdown())).code).toBe('ERR_CLOSED')
  })

  it('ends its event streams', async () => {
    const { runtime, started } = await openStage()
    const events = runtime.events()
    const seen: string[] = []
    const reading = (async () => {
      for await (const { type } of events) seen.push(type)
    })()
    await started()
    await runtime.close()
    await reading
    expect(seen).toContain('started')
  })

  it('leaves the world to the next one', async () => {
    const { runtime, started, sim, config, clock, describe: describeContainer } = await openStage()
    const survivor = await started(deaf)
    await runtime.close()
    const next = await Runtime.open(config, {
      clock,
      implementations: { sim: () => sim.reopen() },
      stateDirectory: memoryStateDirectory(),
    })
    const container = describeContainer()
    await next.createContainer(container)
    await clock.runUntil(next.deleteContainer(container))
    expect(sim.world(survivor.id).alive).toBe(true)
    await next.close()
  })

  it('is closed to its end although a part of it throws', async () => {
    const { runtime, started, sim } = await openStage({
      wrap: (inner) => Object.assign(inner, { close: () => Promise.reject(new OciError('ERR_IO', 'stuck')) }),
    })
    await started()
    await runtime.close()
    expect(sim.ids).toHaveLength(1)
  })
})

describe('shutdown', () => {
  it('stops all containers at once, whatever they are at, and closes', async () => {
    const stage = await openStage()
    const { runtime, clock, started, sim } = stage
    const stubborn = await started(deaf)
    const patient = await started({ onTerm: { exitCode: 0, afterMs: 4000 } })
    const frozen = await ways.paused(stage)
    const half = await ways.creating(stage)
    const done = await ways.stopped(stage)
    await clock.runUntil(runtime.shutdown({ timeoutSeconds: 10 }))
    expect(clock.now()).toBe(10_000)
    expect([stubborn, patient, frozen, done].map(({ status }) => status)).toEqual(Array(4).fill('stopped'))
    expect(patient.state.exitCode).toBe(0)
    expect(half.phase).toBe('failed')
    expect(sim.world(half.id).exists).toBe(false)
    expect((await refusalOf(runtime.startContainer(done))).code).toBe('ERR_CLOSED')
  })

  it('lets nothing be created any more', async () => {
    const { runtime, clock, started, describe: describeContainer } = await openStage()
    await started(deaf)
    const shutdown = runtime.shutdown({ timeoutSeconds: 1 })
    const refusal = await refusalOf(runtime.createContainer(describeContainer()))
    expect(refusal.code).toBe('ERR_CLOSED')
    expect(refusal.message).toContain('shutting down')
    await clock.runUntil(shutdown)
  })

  it('tells what it could not stop, after it has closed', async () => {
    const { runtime, clock, started } = await openStage()
    await started(immortal)
    const mortal = await started()
    const { code, message, cause } = await clock.runUntil(refusalOf(runtime.shutdown({ timeoutSeconds: 0 })))
    expect(code).toBe('ERR_STOP_STUCK')
    expect(message).toContain('1 of 2 containers')
    expect(cause).toBeInstanceOf(AggregateError)
    expect(cause instanceof AggregateError && cause.errors.every(isOciError)).toBe(true)
    expect(mortal.status).toBe('stopped')
    expect((await refusalOf(runtime.shutdown())).code).toBe('ERR_CLOSED')
  })

  it('does nothing at all with a timeout that is none', async () => {
    const { runtime, started } = await openStage()
    const container = await started()
    expect((await refusalOf(runtime.shutdown({ timeoutSeconds: Number.NaN }))).code).toBe(
      'ERR_INVALID_ARGUMENT',
    )
    await runtime.pauseContainer(container)
    expect(container.status).toBe('paused')
  })

  it('of a runtime without containers closes it', async () => {
    const { runtime, clock } = await openStage()
    expect(await standing(clock, runtime.shutdown())).toBe('done')
  })
})
