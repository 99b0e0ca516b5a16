import { describe, expect, it } from 'vitest'
import {
  deletedError,
  neverRanError,
  overError,
  sideTimeoutError,
  unsupportedError,
  wrongStatusError,
} from '../../src/actors/actor-errors.ts'
import { createMachineActor } from '../../src/actors/start-actor.ts'
import { containerMachine } from '../../src/machines/container.machine.ts'
import { defaultContainerLimits } from '../../src/machines/delays.ts'
import { SimulatedClock } from '../../src/testing.ts'

const containerId = 'c1'

const nothing = (): void => undefined

/** The state of a container that an earlier supervisor left there, or of a new one. */
function snapshotOf(phase?: 'running') {
  const known = {
    init: undefined,
    monitor: undefined,
    monitorLostAt: undefined,
    exit: undefined,
    error: undefined,
  }
  const adopt = phase && { phase, created: 'c', started: 's', ...known }
  const listener = { clock: new SimulatedClock(), emitted: nothing, stepped: nothing, died: nothing }
  const actor = createMachineActor(
    containerMachine,
    { id: containerId, limits: defaultContainerLimits, adopt },
    listener,
  )
  actor.start()
  return actor.getSnapshot()
}

describe('a refusal', () => {
  it('names the verb, the phase, and what the phase permits', () => {
    expect(wrongStatusError(containerId, 'running', snapshotOf('running'), 'start')).toMatchObject({
      code: 'ERR_WRONG_STATUS',
      message: 'container c1 is running, which does not permit start; it permits delete, pause, stop',
      operation: 'startContainer',
      containerId,
      allowed: ['delete', 'pause', 'stop'],
    })
    expect(wrongStatusError(containerId, 'registered', snapshotOf(), 'stop').message).toContain(
      'it permits create',
    )
  })

  it.each([
    ['stats', 'containerStats'],
    ['startExec', 'startExec'],
    ['reopenLog', 'reopenContainerLog'],
    ['execSync', 'execSyncContainer'],
    ['portForward', 'portForwardContainer'],
  ] as const)('of %s has the name of the public verb: %s', (verb, operation) => {
    expect(sideTimeoutError(containerId, verb, 500)).toMatchObject({
      code: 'ERR_TIMEOUT',
      message: `${operation} of container c1 was not done within 500 ms`,
      operation,
      containerId,
    })
  })

  it.each([
    [unsupportedError(containerId, 'attachContainer'), 'ERR_UNSUPPORTED'],
    [deletedError(containerId), 'ERR_NOT_FOUND'],
    [overError(containerId), 'ERR_NOT_RUNNING'],
    [neverRanError(containerId), 'ERR_NOT_RUNNING'],
  ])('says which container it is about: %s', (error, code) => {
    expect(error).toMatchObject({ code, containerId })
    expect(error.message).toContain('container c1')
  })
})
