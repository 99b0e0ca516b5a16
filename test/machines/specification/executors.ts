/**
 * Makes the events of the specification come true: commands through the façade, everything else behind its back.
 * An executor returns when what it set off is over, and judges only what a state cannot show: which refusal it was.
 */
import { expect } from 'vitest'
import { isOciError, type Container, type ErrorCode, type Runtime } from '../../../src/index.ts'
import type { ContainerRequest } from '../../contract/harness.ts'
import type { Place } from './agreement.ts'
import {
  heededStopExitCode,
  ownExitCode,
  type SpecificationEventType,
} from '../../../src/model/container.specification.ts'
import type { Life } from './life.ts'

type Executor = (life: Life, from: Place) => Promise<void>

const SIGUSR1 = 10
/** Longer than any test waits, so that a stop that was heeded is told from one that was not. */
const patientSeconds = 600
const impatientSeconds = 0.1

/** Both end by themselves when USR1 tells them to; TERM ends only one. */
export const heedful = program(`exit ${heededStopExitCode}`)
const deaf = program('')

function program(onTerm: string): ContainerRequest {
  // USR1 last: who can be asked to end by it has set the other trap, too.
  const script = `trap "${onTerm}" TERM; trap "exit ${ownExitCode}" USR1; while :; do sleep 0.05; done`
  return { args: ['/bin/sh', '-c', script] }
}

const executors: Readonly<Record<SpecificationEventType, Executor>> = {
  'create.heedful': (life) => create(life, heedful),
  'create.deaf': (life) => create(life, deaf),
  'create.fails': async (life) => {
    await life.describe({ args: ['/no/such/command'] })
    await expectRefusal(life, life.runtime.createContainer(life.container), 'ERR_COMMAND_NOT_FOUND')
  },
  'create.refused': async (life) => {
    const twin = await life.twin(heedful)
    await expectRefusal(life, life.runtime.createContainer(twin), 'ERR_CONTAINER_EXISTS')
  },
  start: async (life) => {
    await life.patience.within(life.runtime.startContainer(life.container))
    // A signal before its trap is set is lost, as for any process.
    await life.patience.until('a running program with its traps set', () =>
      life.harness.catches(life.container, SIGUSR1),
    )
  },
  'start.refused': refused((runtime, container) => runtime.startContainer(container)),
  pause: succeeds((runtime, container) => runtime.pauseContainer(container)),
  'pause.refused': refused((runtime, container) => runtime.pauseContainer(container)),
  unpause: succeeds((runtime, container) => runtime.unpauseContainer(container)),
  'unpause.refused': refused((runtime, container) => runtime.unpauseContainer(container)),
  refresh: succeeds((runtime, container) => runtime.updateContainerStatus(container)),
  'stop.gracefully': succeeds((runtime, container) => runtime.stopContainer(container, patientSeconds)),
  'stop.ignored': succeeds((runtime, container) => runtime.stopContainer(container, impatientSeconds)),
  'stop.now': succeeds((runtime, container) => runtime.stopContainer(container, 0)),
  'stop.unstarted': succeeds((runtime, container) => runtime.stopContainer(container, patientSeconds)),
  'stop.again': succeeds((runtime, container) => runtime.stopContainer(container, patientSeconds)),
  'stop.refused': refused((runtime, container) => runtime.stopContainer(container, 0)),
  'exit.by.itself': succeeds(async (runtime, container) => {
    await runtime.signalContainer(container, SIGUSR1)
    await runtime.waitContainer(container)
  }),
  'killed.from.outside': async (life) => {
    await life.harness.killInit(life.container)
    await life.patience.within(life.runtime.waitContainer(life.container))
  },
  'killed.while.frozen': async (life) => {
    await life.harness.killInit(life.container)
    // With cgroups v1 it dies only once it is thawed, with v2 it may be dead by now: either answer is right.
    await codeOf(life.patience.within(life.runtime.unpauseContainer(life.container)))
    await life.patience.within(life.runtime.waitContainer(life.container))
  },
  'frozen.from.outside': async (life) => {
    await life.harness.freeze(life.container)
    await worldBecomes(life, 'frozen')
    await life.patience.within(life.runtime.updateContainerStatus(life.container))
  },
  'thawed.from.outside': async (life) => {
    await life.harness.thaw(life.container)
    await worldBecomes(life, 'running')
    await life.patience.within(life.runtime.updateContainerStatus(life.container))
  },
  'monitor.killed': async (life, { state }) => {
    const noticed = life.tells(state === 'created' ? 'failed' : 'monitorLost')
    await life.harness.killMonitor(life.container)
    await life.patience.within(noticed)
  },
  delete: succeeds((runtime, container) => runtime.deleteContainer(container, { force: false })),
  'delete.by.force': succeeds((runtime, container) => runtime.deleteContainer(container)),
  'delete.refused': refused((runtime, container) => runtime.deleteContainer(container, { force: false })),
  'id.used.again': (life) =>
    life.apart(async () => {
      const heir = await life.twin(heedful)
      await life.patience.within(life.runtime.createContainer(heir))
      expect(await life.harness.world(heir)).toBe('created')
      await life.patience.within(life.runtime.deleteContainer(heir))
    }),
}

/** For which events there are executors. */
export const executableEvents: readonly string[] = Object.keys(executors)

const executorsByName = new Map(Object.entries(executors))

/** Throws for an event without an executor: one that is not executed must never count as covered. */
export function executorOf(event: string): Executor {
  const executor = executorsByName.get(event)
  if (executor === undefined) throw new Error(`the event ${event} has no executor; add one to executors.ts`)
  return executor
}

type Verb = (runtime: Runtime, container: Container) => Promise<unknown>

function succeeds(verb: Verb): Executor {
  return async ({ patience, runtime, container }) => {
    await patience.within(verb(runtime, container))
  }
}

function refused(verb: Verb): Executor {
  return async (life, { state }) => {
    const isUnknown = state === 'absent' || state === 'deleted'
    const code = isUnknown ? 'ERR_NOT_FOUND' : 'ERR_WRONG_STATUS'
    await expectRefusal(life, verb(life.runtime, life.container), code)
  }
}

async function create(life: Life, request: ContainerRequest): Promise<void> {
  await life.describe(request)
  await life.patience.within(life.runtime.createContainer(life.container))
}

async function worldBecomes({ harness, patience, container }: Life, wanted: string): Promise<void> {
  await patience.until(
    `a world where it is ${wanted}`,
    async () => (await harness.world(container)) === wanted,
  )
}

async function expectRefusal({ patience }: Life, attempt: Promise<unknown>, code: ErrorCode): Promise<void> {
  expect(await codeOf(patience.within(attempt))).toBe(code)
}

/** The code of what the attempt was refused with; throws what is no refusal. */
async function codeOf(attempt: Promise<unknown>): Promise<ErrorCode | 'done'> {
  try {
    await attempt
    return 'done'
  } catch (error) {
    if (isOciError(error)) return error.code
    throw error
  }
}
