/** Everything that can happen next: any command, any answer of any effect, any timer, anything in the world. */
import { OciError } from '../../../src/errors/index.ts'
import { exitStatusOf } from '../../../src/machines/context.ts'
import type { ContainerCommand, ContainerMachineEvent } from '../../../src/machines/events.ts'
import { phaseOf } from '../../../src/machines/phase.ts'
import { answer, type Call, type Configuration } from './configuration.ts'
import {
  after,
  ended,
  exitedByItself,
  isAlive,
  killed,
  lateEffects,
  outOfMemory,
  statusIn,
  type LateEffect,
  type World,
  type WorldEffect,
} from './world.ts'

export interface Move {
  readonly label: string
  /**
   * `usual` is what a life consists of when nothing goes wrong; `notice` is a limit of time or a look at the world that
   * deals with what went wrong; `fault` is something going wrong, or somebody meddling.
   */
  readonly kind: 'usual' | 'notice' | 'fault'
  /** The world it leads to; as before where it is left out. */
  readonly world?: World
  readonly calls?: readonly Call[]
  readonly timers?: Configuration['timers']
  readonly nowMs?: number
  readonly request?: ContainerCommand
  /** What the machine hears of it. */
  readonly event?: ContainerMachineEvent
}

const at = '2026-01-01T00:00:00.000000000Z'
const laterAt = '2026-01-01T00:00:01.000000000Z'
const init = { pid: 42, startTicks: '100' }
const monitor = { pid: 41, startTicks: '99' }
const failure = new OciError('ERR_RUNTIME_FAILED', 'the effect failed')
/** More than one timer can hold. */
const patientMs = 2 ** 31 + 10_000

export interface Liberties {
  /** Requests without a reply at the same time. */
  readonly openRequestsMax: number
  readonly faults: boolean
  /** More would say the same again. */
  readonly violationsMax: number
}

export function movesFrom(
  configuration: Configuration,
  { openRequestsMax, faults }: Pick<Liberties, 'openRequestsMax' | 'faults'>,
): Move[] {
  if (configuration.snapshot.status !== 'active') return []
  const moves = [
    ...commands(configuration, openRequestsMax),
    ...configuration.calls.flatMap((call) => answers(configuration, call)),
    ...timers(configuration),
    ...happenings(configuration),
    ...facts(configuration),
  ]
  return faults ? moves : moves.filter(({ kind }) => kind === 'usual')
}

function commands({ requests, nowMs }: Configuration, openRequestsMax: number): Move[] {
  const moves: Move[] = []
  const ids = new Set(requests.map(({ requestId }) => requestId))
  let freshId = 1
  while (ids.has(freshId)) freshId += 1
  const add = (label: string, make: (requestId: number) => ContainerCommand): void => {
    // As the actor has it: who asks for what is being done joins the request that is open.
    const verb = make(0).type.slice('container.'.length)
    const joined = requests.find((request) => request.verb === verb)
    if (joined === undefined && requests.length >= openRequestsMax) return
    const request = make(joined?.requestId ?? freshId)
    moves.push({ label, kind: 'usual', request, event: request })
  }
  const asked = { atMs: nowMs, requestedAt: at }
  add('create', (requestId) => ({ type: 'container.create', requestId, cgroupParent: undefined }))
  add('start', (requestId) => ({ type: 'container.start', requestId }))
  add('pause', (requestId) => ({ type: 'container.pause', requestId }))
  add('unpause', (requestId) => ({ type: 'container.unpause', requestId }))
  for (const timeoutMs of [0, patientMs, Number.POSITIVE_INFINITY])
    add(`stop ${timeoutMs}`, (requestId) => ({ type: 'container.stop', requestId, timeoutMs, ...asked }))
  for (const force of [true, false])
    add(`delete${force ? ' by force' : ''}`, (requestId) => ({
      type: 'container.delete',
      requestId,
      force,
      ...asked,
    }))
  return moves
}

function answers({ world, calls }: Configuration, call: Call): Move[] {
  const { effect, input } = call
  const others = calls.filter((other) => other !== call)
  const fails: Move = {
    label: `${effect} fails`,
    kind: 'fault',
    calls: others,
    event: answer(call, { error: failure }),
  }
  if (!isWorldEffect(effect)) {
    const output = outputOf(call, world)
    return [
      { label: `${effect} succeeds`, kind: 'usual', calls: others, event: answer(call, { output }) },
      fails,
    ]
  }
  const next = call.isApplied ? world : after(world, input.uncleaned === true ? 'cleanUp' : effect)
  // Where it cannot succeed it fails, which is nobody's fault.
  if (next === undefined) return [{ ...fails, kind: 'usual' }]
  const output = outputOf(call, next)
  const succeeds: Move = {
    label: `${effect} succeeds`,
    kind: 'usual',
    world: next,
    calls: others,
    event: answer(call, { output }),
  }
  const applied = { ...call, isApplied: true }
  const unnoticed: Move = {
    label: `${effect} comes true and does not answer`,
    kind: 'fault',
    world: next,
    calls: [...others, applied],
  }
  return call.isApplied ? [succeeds, fails] : [succeeds, fails, unnoticed]
}

const worldEffects = ['create', 'start', 'pause', 'resume', 'cleanUp', 'delete'] as const

function isWorldEffect(effect: string): effect is WorldEffect {
  return worldEffects.some((known) => known === effect)
}

export function isLateEffect(effect: string): effect is LateEffect {
  return lateEffects.some((late) => late === effect)
}

function outputOf({ effect, input }: Call, world: World): unknown {
  switch (effect) {
    case 'create':
      return { init, monitor, created: at }
    case 'start':
      return { started: laterAt }
    case 'observe':
      return { status: statusIn(world), at: laterAt }
    case 'settle':
      return input.reported === undefined
        ? input.exit
        : exitStatusOf(input.reported, world.ending?.oomKilled === true)
    default:
      return undefined
  }
}

function timers({ timers: armed, nowMs }: Configuration): Move[] {
  return armed.map((timer) => ({
    label: `${timer.id} is due`,
    kind: /Timeout|exitFileWait/.test(timer.id) ? 'notice' : 'usual',
    timers: armed.filter((other) => other !== timer),
    nowMs: Math.max(nowMs, timer.dueMs),
    event: timer.event,
  }))
}

/** What happens without the machine hearing of it. */
function happenings({ world, snapshot, nowMs }: Configuration): Move[] {
  const moves: Move[] = []
  const deadlineMs = snapshot.context.stop?.deadlineMs ?? nowMs
  if (deadlineMs > nowMs && deadlineMs !== Number.POSITIVE_INFINITY)
    moves.push({ label: 'the deadline passes and timers are late', kind: 'fault', nowMs: deadlineMs })
  const add = (label: string, kind: Move['kind'], next: World | undefined): void => {
    if (next !== undefined) moves.push({ label, kind, world: next })
  }
  if (isAlive(world)) {
    if (world.process === 'running' && !world.isFrozen) {
      add('the process exits', 'usual', ended(world, exitedByItself))
      add('the process is out of memory', 'fault', ended(world, outOfMemory))
    }
    const isKilledByUs = phaseOf(snapshot.value) === 'stopping.killing'
    // With cgroups v1 a frozen process outlives KILL, with v2 it does not.
    const isUsual = isKilledByUs && !world.isFrozen
    add(
      'somebody starts it',
      'fault',
      world.process === 'waiting' && !world.isFrozen ? { ...world, process: 'running' } : undefined,
    )
    add('the process is killed', isUsual ? 'usual' : 'fault', ended(world, killed))
    add(
      world.isFrozen ? 'somebody thaws it' : 'somebody freezes it',
      'fault',
      world.process === 'running' ? { ...world, isFrozen: !world.isFrozen } : undefined,
    )
  }
  if (world.monitor === 'alive') add('the monitor dies', 'fault', { ...world, monitor: 'dead' })
  for (const effect of world.late) {
    const late = world.late.filter((other) => other !== effect)
    const next = after(world, effect)
    add(`a late ${effect} comes true`, 'fault', next && { ...next, late })
  }
  return moves
}

/** What the machine may hear of the world. */
function facts(configuration: Configuration): Move[] {
  const { world, snapshot } = configuration
  const { context } = snapshot
  const moves: Move[] = []
  const add = (label: string, event: ContainerMachineEvent, next?: World): void => {
    const kind = next === undefined ? 'notice' : 'usual'
    moves.push({ label, kind, event, ...(next === undefined ? {} : { world: next }) })
  }
  if (world.process === 'dead' && world.ending !== undefined && world.monitor === 'alive') {
    const { code } = world.ending
    add(
      'the exit is reported',
      // The wall clock was set back since its start.
      { type: 'container.exited', code, finished: at },
      { ...world, isReported: true },
    )
  }
  const isLive = snapshot.matches('live')
  if (isLive && world.process === 'dead') {
    add('the process is seen to be gone', { type: 'process.gone', at: laterAt })
  }
  if (isLive) {
    const status = statusIn(world)
    add(`it is observed to be ${status}`, { type: 'container.observed', status, at: laterAt })
  }
  // The exit is looked for first, and once it is known nobody minds the monitor.
  const minds = context.reported === undefined && !isOver(configuration) && context.created !== undefined
  if (world.monitor === 'dead' && !world.isReported && minds) {
    add('the monitor is seen to be lost', { type: 'monitor.lost', at: laterAt })
  }
  return moves
}

export function isOver({ snapshot }: Configuration): boolean {
  return ['failed', 'stopped', 'deleting', 'deleted'].includes(phaseOf(snapshot.value))
}
