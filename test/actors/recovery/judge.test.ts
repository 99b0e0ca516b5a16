import { describe, expect, it } from 'vitest'
import { judge, type Seen, type Sight, type Verdict } from '../../../src/actors/recovery/judge.ts'
import type { ContainerState, ExitStatus } from '../../../src/container.ts'
import { emptyOwnRecord, type OwnRecord, type StateRecord } from '../../../src/store/state-record.ts'

const at = '2026-01-01T00:01:00.000000000Z'
const created = '2026-01-01T00:00:00.000000000Z'
const started = '2026-01-01T00:00:01.000000000Z'
const init = { pid: 4_194_400, startTicks: '7' }
const monitor = { pid: 4_194_399, startTicks: '6' }
const exit: ExitStatus = { kind: 'code', code: 3, inferredSignal: undefined, oomKilled: false, finished: at }
const failedStart: ExitStatus = { kind: 'unknown', why: 'start-failed', oomKilled: false, finished: created }

function recordOf(state: Partial<ContainerState>, own: Partial<OwnRecord> = {}): StateRecord {
  const whole: ContainerState = {
    ociVersion: '1.0.2',
    id: 'c1',
    status: 'running',
    pid: init.pid,
    bundle: '/b',
    annotations: {},
    created,
    started,
    finished: undefined,
    exitCode: undefined,
    oomKilled: false,
    error: undefined,
    exit: undefined,
    durable: true,
    ...state,
  }
  return { state: whole, own: { ...emptyOwnRecord, init, monitor, bootId: 'b', ...own } }
}

function sight(seen: Partial<Sight> = {}): Sight {
  return {
    isThisProcess: false,
    isSameBoot: true,
    init: 'alive',
    monitor: 'alive',
    isFrozen: false,
    at,
    ...seen,
  }
}

/** A verdict in a few words: what is done, where it begins, what it is told. */
function words(verdict: Verdict): string {
  if (verdict.kind === 'quarantine') return 'quarantine'
  const { adopt } = verdict
  const where = `${adopt.phase}${adopt.monitorLostAt === undefined ? '' : ' unmonitored'}`
  if (verdict.kind === 'remove') return `remove ${where}`
  const told = verdict.facts.map((fact) =>
    fact.type === 'container.observed' ? `observed ${fact.status}` : fact.type,
  )
  if (verdict.asksRuntime) told.push('ask')
  if (verdict.stop !== undefined) told.push('stop')
  return ['adopt', where, ...told].join(', ').replace('adopt, ', 'adopt ')
}

const creating = { status: undefined, created: undefined, started: undefined }
const isCreated = { status: 'created', started: undefined } as const
const isPaused = { status: 'paused' } as const
const isExiting = { status: 'stopped' } as const
const isStopped = { status: 'stopped', exit } as const
const stop = { timeoutMs: 10_000, requestedAt: created }
const gone = { init: 'gone', monitor: 'gone' } as const

type Row = [
  what: string,
  state: Partial<ContainerState>,
  own: Partial<OwnRecord>,
  seen: Partial<Sight>,
  verdict: string,
]

const table: Row[] = [
  ['being created', creating, {}, {}, 'remove uncertain'],
  ['whose creation had failed', { ...creating, error: 'no' }, {}, gone, 'remove uncertain'],
  [
    'being cleaned up after its monitor died',
    { status: undefined, started: undefined },
    {},
    gone,
    'remove uncertain unmonitored',
  ],
  [
    'being cleaned up after a failed start',
    { status: undefined, exit: failedStart },
    {},
    gone,
    'adopt uncertain',
  ],
  ['stopped', isStopped, {}, {}, 'adopt stopped'],
  ['stopped, whatever its pids are by now', isStopped, { stop }, { init: 'alive' }, 'adopt stopped'],
  ['stopped, on a host started anew', isStopped, {}, { isSameBoot: false }, 'adopt stopped'],

  ['created', isCreated, {}, {}, 'adopt created, ask'],
  ['created, being stopped', isCreated, { stop }, {}, 'adopt created, ask, stop'],
  ['created, its monitor dead', isCreated, {}, { monitor: 'gone' }, 'remove created unmonitored'],
  ['created, its process dead', isCreated, {}, { init: 'gone' }, 'adopt created, process.gone'],
  ['created, nothing left of it', isCreated, {}, gone, 'adopt created, process.gone, monitor.lost'],
  ['created, on a host started anew', isCreated, {}, { isSameBoot: false }, 'remove created unmonitored'],

  ['running', {}, {}, {}, 'adopt running'],
  ['running, frozen meanwhile', {}, {}, { isFrozen: true }, 'adopt running, observed paused'],
  ['running, its freezer unreadable', {}, {}, { isFrozen: undefined }, 'adopt running'],
  ['running, its monitor dead', {}, {}, { monitor: 'gone' }, 'adopt running, monitor.lost'],
  [
    'running, its monitor known to be dead',
    {},
    { monitorLost: started },
    { monitor: 'gone' },
    'adopt running unmonitored',
  ],
  ['running, its process dead', {}, {}, { init: 'gone' }, 'adopt running, process.gone'],
  ['running, nothing left of it', {}, { stop }, gone, 'adopt running, process.gone, monitor.lost'],
  [
    'running, on a host started anew',
    {},
    { stop },
    { isSameBoot: false },
    'adopt running unmonitored, process.gone',
  ],
  ['being stopped', {}, { stop }, {}, 'adopt running, stop'],
  [
    'being stopped, frozen meanwhile',
    {},
    { stop },
    { isFrozen: true },
    'adopt running, observed paused, stop',
  ],

  ['paused', isPaused, {}, { isFrozen: true }, 'adopt paused'],
  ['paused, thawed meanwhile', isPaused, {}, { isFrozen: false }, 'adopt paused, observed running'],
  ['paused, its process dead', isPaused, {}, { init: 'gone' }, 'adopt running, process.gone'],

  ['whose exit was being recorded', isExiting, {}, gone, 'adopt running, process.gone, monitor.lost'],
  [
    'never started, whose exit was being recorded',
    { ...isExiting, started: undefined },
    {},
    gone,
    'adopt created, process.gone, monitor.lost',
  ],
  [
    'whose exit was being recorded, on a host started anew',
    isExiting,
    {},
    { isSameBoot: false },
    'adopt running unmonitored, process.gone',
  ],
]

describe('after a restart, a container that was', () => {
  it.each(table)('%s', (_, state, own, seen, verdict) => {
    expect(words(judge(recordOf(state, own), sight(seen)))).toBe(verdict)
  })
})

describe('what could not be looked at', () => {
  const statuses = [isCreated, {}, isPaused, isExiting]
  it.each(statuses)('is believed to be as it was: %o', (state) => {
    const unknown: Seen = 'unknown'
    const verdict = judge(recordOf(state), sight({ init: unknown, monitor: unknown, isFrozen: undefined }))
    expect(verdict).toMatchObject({ kind: 'adopt', facts: [] })
  })
})

describe('an adopted container', () => {
  it('keeps its processes, its times, its exit and its error', () => {
    const record = recordOf({ ...isStopped, error: 'a word' }, { errorCode: 'ERR_TIMEOUT' })
    const verdict = judge(record, sight())
    expect(verdict).toMatchObject({ adopt: { init, monitor, created, started, exit } })
    expect(verdict).toHaveProperty('adopt.error.code', 'ERR_TIMEOUT')
    expect(verdict).toHaveProperty('adopt.error.message', 'a word')
  })

  it('whose host was started anew has an exit that says so', () => {
    expect(judge(recordOf({}), sight({ isSameBoot: false }))).toMatchObject({ adopt: { rebooted: true } })
  })
})

describe('a state file that another program wrote', () => {
  it('is set aside', () => {
    const { state } = recordOf({})
    expect(judge({ state, own: emptyOwnRecord }, sight()).kind).toBe('quarantine')
  })
})
