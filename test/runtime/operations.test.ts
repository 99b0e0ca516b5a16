/** Errors have the name of the verb that was called, whoever made them. */
import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import {
  ExecSyncError,
  memoryStateDirectory,
  OciError,
  type Container,
  type ContainerOperation,
  type Runtime,
} from '../../src/index.ts'
import type { SimulatedEffect } from '../../src/testing.ts'
import { immortal, openStage, refusalOf, type Stage } from './stage.ts'
import { ways, type Way } from './ways.ts'

interface Case {
  readonly effect: SimulatedEffect
  readonly from: Way
  readonly ask: (runtime: Runtime, container: Container) => Promise<unknown>
}

const described: Way = ({ describe: describeContainer }) => Promise.resolve(describeContainer())
const frozen: Way = async (stage) => {
  const container = await ways.running(stage)
  stage.sim.freezeFromOutside(container.id)
  return container
}
const command = ['/bin/true'] as const

/** All that fail when an effect does. A stop goes on then, and who waits for an exit asks for none. */
const cases: Readonly<
  Record<Exclude<ContainerOperation, 'stopContainer' | 'waitContainer' | 'waitContainerStateStopped'>, Case>
> = {
  createContainer: { effect: 'create', from: described, ask: (runtime, one) => runtime.createContainer(one) },
  startContainer: { effect: 'start', from: ways.created, ask: (runtime, one) => runtime.startContainer(one) },
  pauseContainer: { effect: 'pause', from: ways.running, ask: (runtime, one) => runtime.pauseContainer(one) },
  unpauseContainer: {
    effect: 'resume',
    from: ways.paused,
    ask: (runtime, one) => runtime.unpauseContainer(one),
  },
  deleteContainer: {
    effect: 'delete',
    from: ways.stopped,
    ask: (runtime, one) => runtime.deleteContainer(one),
  },
  signalContainer: {
    effect: 'signal',
    from: ways.running,
    ask: (runtime, one) => runtime.signalContainer(one, 'USR1'),
  },
  updateContainer: {
    effect: 'update',
    from: ways.running,
    ask: (runtime, one) => runtime.updateContainer(one, { pids: { limit: 5 } }),
  },
  updateContainerStatus: {
    effect: 'observe',
    from: frozen,
    ask: (runtime, one) => runtime.updateContainerStatus(one),
  },
  containerStats: { effect: 'stats', from: ways.running, ask: (runtime, one) => runtime.containerStats(one) },
  execSyncContainer: {
    effect: 'execSync',
    from: ways.running,
    ask: (runtime, one) => runtime.execSyncContainer(one, command),
  },
  startExec: {
    effect: 'startExec',
    from: ways.running,
    ask: (runtime, one) => runtime.startExec(one, command),
  },
  execContainer: {
    effect: 'startExec',
    from: ways.running,
    ask: (runtime, one) => runtime.execContainer(one, command),
  },
  attachContainer: {
    effect: 'attach',
    from: ways.running,
    ask: (runtime, one) => runtime.attachContainer(one),
  },
  portForwardContainer: {
    effect: 'portForward',
    from: ways.running,
    ask: (runtime, one) => runtime.portForwardContainer(one, 80, new PassThrough()),
  },
  reopenContainerLog: {
    effect: 'reopenLog',
    from: ways.running,
    ask: (runtime, one) => runtime.reopenContainerLog(one),
  },
}

function refused(stage: Stage, attempt: Promise<unknown>): Promise<OciError> {
  return stage.clock.runUntil(refusalOf(attempt))
}

describe('the error of a verb', () => {
  it.each(Object.entries(cases))('has its name when the implementation fails: %s', async (operation, one) => {
    const stage = await openStage()
    const container = await one.from(stage)
    // A delete is tried more than once.
    stage.sim.inject(container.id, { effect: one.effect, fault: 'fail', times: Number.POSITIVE_INFINITY })
    const error = await refused(stage, one.ask(stage.runtime, container))
    expect(error).toMatchObject({ operation, containerId: container.id })
    expect(error.message).toContain('injected')
    expect(error instanceof ExecSyncError).toBe(operation === 'execSyncContainer')
  })

  it.each(['pauseContainer', 'updateContainerStatus', 'containerStats', 'attachContainer'] as const)(
    'is an OciError with its name when an implementation throws something else: %s',
    async (operation) => {
      const bug = new TypeError('a bug of the implementation')
      const broken = (): never => {
        throw bug
      }
      const { from, ask } = cases[operation]
      const stage = await openStage({
        wrap: (sim) => Object.assign(sim, { [cases[operation].effect]: broken }),
      })
      const container = await from(stage)
      const error = await refused(stage, ask(stage.runtime, container))
      expect(error).toMatchObject({
        operation,
        code: 'ERR_RUNTIME_FAILED',
        containerId: container.id,
        cause: bug,
      })
    },
  )

  it('has its name when nothing ends the container', async () => {
    const stage = await openStage()
    const container = await stage.started(immortal)
    expect(await refused(stage, stage.runtime.stopContainer(container, 0))).toMatchObject({
      code: 'ERR_STOP_STUCK',
      operation: 'stopContainer',
      containerId: container.id,
    })
  })

  it('keeps the name of a create that failed, whoever waits for the container', async () => {
    const stage = await openStage()
    const container = stage.describe()
    stage.sim.inject(container.id, { effect: 'create', fault: 'fail' })
    await refused(stage, stage.runtime.createContainer(container))
    const { runtime } = stage
    for (const wait of [runtime.waitContainer(container), runtime.waitContainerStateStopped(container)].map(
      refusalOf,
    )) {
      expect(await wait).toMatchObject({ operation: 'createContainer' })
    }
  })

  it('has its name when what it waits for is deleted and never was created', async () => {
    const stage = await openStage()
    const container = stage.describe()
    stage.sim.inject(container.id, { effect: 'create', fault: 'hang' })
    const { runtime } = stage
    const creating = refusalOf(runtime.createContainer(container))
    await stage.clock.settle()
    await stage.clock.runUntil(runtime.deleteContainer(container))
    expect(await creating).toMatchObject({ code: 'ERR_CANCELLED', operation: 'createContainer' })
    const waits = [runtime.waitContainer(container), runtime.waitContainerStateStopped(container)].map(
      refusalOf,
    )
    for (const wait of waits) expect((await wait).operation).toBe('createContainer')
  })
})

describe('an error of opening', () => {
  it('of the state directory has the name of recovery, which reads it', async () => {
    const stateDirectory = {
      ...memoryStateDirectory(),
      survivors: {
        list: () => Promise.reject(new OciError('ERR_IO', 'the index cannot be read')),
        load: () => Promise.reject(new Error('nobody asks for this')),
        quarantine: () => Promise.reject(new Error('nobody asks for this')),
      },
    }
    expect(await refusalOf(openStage({ stateDirectory }))).toMatchObject({
      code: 'ERR_IO',
      operation: 'recover',
    })
  })
})
