import { describe, expect, it } from 'vitest'
import { buryContainer, exitOfDeleted } from '../../src/actors/tombstone.ts'
import { Container, type ContainerPhase, type ExitStatus } from '../../src/container.ts'
import { OciError } from '../../src/errors/index.ts'
import { refusalOf } from '../runtime/stage.ts'

const exit: ExitStatus = {
  kind: 'code',
  code: 3,
  inferredSignal: undefined,
  oomKilled: false,
  finished: 'then',
}
const error = new OciError('ERR_CREATE_FAILED', 'there is no such image')

function buried(phase: ContainerPhase, ended: ExitStatus | undefined, why?: OciError): Container {
  const container = new Container({ id: 'c1', bundlePath: '/b' })
  const state = { ...container.state, exit: ended }
  const view = {
    container,
    state,
    phase,
    since: 'then',
    waitingFor: 'something',
    execs: [],
    ownsProcess: () => true,
  }
  buryContainer(view, why)
  return container
}

describe('a deleted container', () => {
  it('still tells how it ended, and waits for nothing any more', () => {
    const container = buried('deleted', exit, error)
    expect(exitOfDeleted(container)).toEqual(exit)
    expect([container.phase, container.waitingFor, container.state.exit]).toEqual([
      'deleted',
      undefined,
      exit,
    ])
  })

  it('that never ran tells why', () => {
    const container = buried('deleted', undefined, error)
    expect(() => exitOfDeleted(container)).toThrow(error)
  })

  it('that nobody ever started says so', async () => {
    const container = buried('deleted', undefined)
    const refusal = await refusalOf(Promise.resolve().then(() => exitOfDeleted(container)))
    expect(refusal).toMatchObject({ code: 'ERR_NOT_RUNNING', message: 'container c1 never ran' })
  })

  it('is told from one that is not deleted', () => {
    expect(exitOfDeleted(buried('stopped', exit))).toBeUndefined()
  })
})
