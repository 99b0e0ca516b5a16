/** Where a life may begin: new, or found by a supervisor that was started again. */
import type { Adoption } from '../../../src/machines/context.ts'
import { OciError } from '../../../src/errors/index.ts'
import { createdWorld, emptyWorld, ended, exitedByItself, runningWorld, type World } from './world.ts'

export interface Beginning {
  readonly name: string
  readonly adopt?: Adoption
  readonly world: World
}

const at = '2026-01-01T00:00:00.000000000Z'
const startedAt = '2026-01-01T00:00:01.000000000Z'

const halfDone = new OciError('ERR_LAUNCHER_LOST', 'the supervisor ended in the middle of it')

const unmonitored = (world: World): World => ({ ...world, monitor: 'dead' })
const frozen = (world: World): World => ({ ...world, isFrozen: true })

export const newContainer: Beginning = { name: 'a new container', world: emptyWorld }

/** What is adopted is what was seen; the world may have gone on since. */
export const adoptedContainers: readonly Beginning[] = [
  adopted('created', createdWorld, { phase: 'created' }),
  adopted('created, without its monitor', unmonitored(createdWorld), { phase: 'created', monitorLostAt: at }),
  adopted('running', runningWorld, { phase: 'running', started: startedAt }),
  adopted('running, and dead by now', ended(runningWorld, exitedByItself), {
    phase: 'running',
    started: startedAt,
  }),
  adopted('running, without its monitor', unmonitored(runningWorld), {
    phase: 'running',
    started: startedAt,
    monitorLostAt: at,
  }),
  adopted('paused', frozen(runningWorld), { phase: 'paused', started: startedAt }),
  adopted('paused, without its monitor', unmonitored(frozen(runningWorld)), {
    phase: 'paused',
    started: startedAt,
    monitorLostAt: at,
  }),
  adopted('stopped', ended(runningWorld, exitedByItself), {
    phase: 'stopped',
    started: startedAt,
    exit: { kind: 'code', code: 0, inferredSignal: undefined, oomKilled: false, finished: startedAt },
  }),
  adopted('half created', createdWorld, { phase: 'uncertain', created: undefined, error: halfDone }),
  adopted('half removed', unmonitored(runningWorld), {
    phase: 'uncertain',
    started: startedAt,
    error: halfDone,
  }),
]

function adopted(name: string, world: World, adopt: Partial<Adoption> & Pick<Adoption, 'phase'>): Beginning {
  return {
    name: `an adopted container: ${name}`,
    world,
    adopt: {
      init: undefined,
      monitor: undefined,
      monitorLostAt: undefined,
      created: at,
      started: undefined,
      exit: undefined,
      error: undefined,
      ...adopt,
    },
  }
}
