/**
 * What must hold of every reachable configuration, and of every step between two. Each gives what is wrong, or nothing.
 *
 * Written from the contract. Deliberately not here: what a state is called or how the machine gets there.
 */
import { isOciError } from '../../../src/errors/index.ts'
import { isCommand, requestOf } from '../../../src/machines/events.ts'
import { phaseOf, statusOf, waitingForOf } from '../../../src/machines/phase.ts'
import type { Configuration, Step } from './configuration.ts'
import { isOver, type Liberties, type Move } from './moves.ts'
import { isAlive } from './world.ts'

export interface Transition {
  readonly before: Configuration
  readonly move: Move
  readonly step: Step | undefined
  readonly after: Configuration
  readonly liberties: Liberties
}

type Law = (transition: Transition) => string | undefined

const law = ['created', 'started', 'exited', 'deleted']
const statusOrder = [undefined, 'created', 'running', 'paused', 'stopped']

/** A later command, the end of the process, and a process that takes its time to die. */
const blameless = new Set(['ERR_CANCELLED', 'ERR_NOT_RUNNING', 'ERR_STOP_STUCK'])

const restingAlive = new Set(['created', 'running', 'paused'])

const laws: readonly Law[] = [
  function theMachineLives({ after: { snapshot } }) {
    return snapshot.status === 'error' ? `the machine died: ${String(snapshot.error)}` : undefined
  },

  function repliesAreToWhoAsks({ before, move, step }) {
    const open = new Set([...before.requests, ...newRequestsOf(move)].map(({ requestId }) => requestId))
    for (const event of step?.emitted ?? []) {
      if (event.type === 'replied' && !open.delete(event.requestId))
        return `${event.verb} gets a reply that nobody waits for`
    }
    return undefined
  },

  /** Which makes sure that none is lost. */
  function everyOpenRequestIsRemembered({ after: { snapshot, requests } }) {
    const { waiting, deferred } = snapshot.context
    const remembered = [...waiting, ...deferred.map(requestOf)].map(({ requestId }) => requestId)
    const isDone = snapshot.status === 'done'
    if (isDone && requests.length > 0)
      return `the machine ended and left ${requests[0]?.verb} without a reply`
    if (!isDone && new Set(remembered).size !== remembered.length) return 'a request is remembered twice'
    const forgotten = requests.find(({ requestId }) => !remembered.includes(requestId))
    if (!isDone && forgotten !== undefined) return `${forgotten.verb} is forgotten without a reply`
    return remembered.length > requests.length ? 'a request is remembered that has its reply' : undefined
  },

  function doneMeansDone({ after, step }) {
    const phase = phaseOf(after.snapshot.value)
    for (const event of step?.emitted ?? []) {
      if (event.type !== 'replied' || event.outcome.kind !== 'done') continue
      const holds = {
        create: () => after.told.includes('created'),
        start: () => after.told.includes('started'),
        // What waited behind it may begin at once.
        pause: () => ['paused', 'resuming', 'stopping.thawing'].includes(phase),
        unpause: () => ['running', 'pausing', 'stopping.signalling', 'stopping.killing'].includes(phase),
        stop: () => isOver(after),
        delete: () => phase === 'deleted',
      }[event.verb]
      if (!holds()) return `${event.verb} is said to be done in ${phase}`
    }
    return undefined
  },

  function aStopDisappointsAtOnce({ after: { snapshot } }) {
    if (!phaseOf(snapshot.value).startsWith('stopping.')) return undefined
    const { waiting, deferred } = snapshot.context
    const others = [...waiting, ...deferred.map(requestOf)].find(
      ({ verb }) => verb !== 'stop' && verb !== 'delete',
    )
    return others === undefined ? undefined : `${others.verb} waits behind a stop`
  },

  function failedMeansNeverCreated({ after: { snapshot, told } }) {
    return phaseOf(snapshot.value) === 'failed' && told.includes('created')
      ? 'failed after created'
      : undefined
  },

  function onlyNamedErrors({ step }) {
    for (const event of step?.emitted ?? []) {
      if (event.type !== 'replied' || event.outcome.kind !== 'failed') continue
      const { error } = event.outcome
      if (!isOciError(error) || error.code === 'ERR_INTERNAL')
        return `${event.verb} fails with ${error.message}`
    }
    return undefined
  },

  function theLawOfALife({ after: { told } }) {
    const lawful = law.filter((type) => told.includes(type))
    if (told.join() !== lawful.join()) return `told in the order ${told.join(', ')}`
    return told.includes('exited') && !told.includes('created') ? 'an exit of what never was' : undefined
  },

  function neverAliveOnceItsExitIsKnown({ after: { snapshot } }) {
    const phase = phaseOf(snapshot.value)
    if (snapshot.context.exit === undefined || !snapshot.matches('live')) return undefined
    return `${phase} with a recorded exit`
  },

  function everyReportIsHeard({ before, move, after }) {
    const { snapshot } = before
    if (move.event?.type !== 'container.exited') return undefined
    const isAwaited = snapshot.matches('live') || snapshot.matches('creating') || snapshot.matches('exiting')
    // Once it is on its way to the disk it is too late.
    if (!isAwaited || snapshot.matches({ exiting: 'recording' })) return undefined
    return after.snapshot.context.reported === undefined ? 'a reported exit goes unheard' : undefined
  },

  function nobodyLingersInADeadContainer({ after: { snapshot } }) {
    const phase = phaseOf(snapshot.value)
    const { reported, goneAt } = snapshot.context
    const isDead = reported !== undefined || goneAt !== undefined
    const lingers = restingAlive.has(phase) || phase.startsWith('stopping.')
    return isDead && lingers ? `${phase} with a process that is known to be gone` : undefined
  },

  /** A stop may overtake a start, and then nobody knows that it has run. */
  function everyRunIsTold({ before, after }) {
    const { exit, stop } = after.snapshot.context
    if (isOver(before) || phaseOf(after.snapshot.value) !== 'stopped' || stop !== undefined) return undefined
    const hasFailed = exit?.kind === 'unknown' && exit.why === 'start-failed'
    if (hasFailed || after.gaveUp || !after.world.hasRun || after.told.includes('started')) return undefined
    return 'a command that ran is not told'
  },

  function everyEndIsTold({ before, after, step }) {
    if (isOver(before) || phaseOf(after.snapshot.value) !== 'stopped') return undefined
    const hasFailed =
      step?.emitted.some((said) => said.type === 'published' && said.event.type === 'failed') === true
    if (after.told.includes('exited') !== hasFailed) return undefined
    return hasFailed ? 'both an exit and a failure are told' : 'the end of a container is not told'
  },

  function timesNeverRunBackwards({ after }) {
    const { created, started, exit } = after.snapshot.context
    const times = [created, started, exit?.finished].filter((time) => time !== undefined)
    return times.join() === times.toSorted().join() ? undefined : `times run backwards: ${times.join(', ')}`
  },

  /** Nothing lives that it waits for, and it kills nothing. */
  function anUnforcedDeleteIsRefusedByWhatLives({ before, move, step }) {
    const { event } = move
    if (event?.type !== 'container.delete' || event.force) return undefined
    const lives = before.snapshot.matches('live') || before.snapshot.matches('creating')
    // It may join one with force.
    if (!lives || before.requests.some(({ verb }) => verb === 'delete')) return undefined
    const isRefused = step?.emitted.some(
      (said) =>
        said.type === 'replied' && said.requestId === event.requestId && said.outcome.kind === 'refused',
    )
    return isRefused === true ? undefined : 'an unforced delete of what lives is not refused'
  },

  function oneExitPerStart({ before, after }) {
    const [was, is] = [before.snapshot.context, after.snapshot.context]
    if (was.reported !== undefined && was.reported !== is.reported) return 'a reported exit is replaced'
    if (was.exit?.kind === 'code' && is.exit !== was.exit && is.exit?.kind !== 'code')
      return 'a known exit code is lost'
    return before.told.includes('exited') && was.exit !== is.exit
      ? 'an exit changes after it was told'
      : undefined
  },

  /** A code is what the monitor reported, and what the monitor reported in time is the code. */
  function exitsAreNeitherInventedNorLost({ after, step }) {
    for (const event of step?.emitted ?? []) {
      if (event.type !== 'published' || event.event.type !== 'exited') continue
      const { exit } = event.event
      const { reported } = after.snapshot.context
      if (exit.kind === 'code' && exit.code !== reported?.code)
        return `the exit code ${exit.code} is invented`
      if (exit.kind === 'unknown' && reported !== undefined) return `the exit code ${reported.code} is lost`
    }
    return undefined
  },

  function theStatusOnlyGoesOn({ before, after }) {
    const [was, is] = [before, after].map(({ snapshot }) => statusOf(phaseOf(snapshot.value)))
    // A container that froze and thawed is the one that goes back; a clean-up hides what there was.
    if (was === is || is === undefined || (was === 'paused' && is === 'running')) return undefined
    return statusOrder.indexOf(is) < statusOrder.indexOf(was) ? `${is} after ${was}` : undefined
  },

  function theDeadlineNeverGrows({ before, after }) {
    const [was, is] = [before.snapshot.context.stop, after.snapshot.context.stop]
    if (was === undefined) return undefined
    if (is === undefined) return 'a stop is forgotten'
    if (was.due && !is.due) return 'a deadline that has passed is ahead again'
    return is.deadlineMs > was.deadlineMs ? 'the deadline grew' : undefined
  },

  /** Or nothing would ever happen again. */
  function whoWaitsHasAWayOut({ after }) {
    const { snapshot, calls, timers } = after
    if (snapshot.status !== 'active') return undefined
    const phase = phaseOf(snapshot.value)
    if (waitingForOf(phase) === undefined || calls.length + timers.length > 0) return undefined
    const isPatient =
      phase === 'stopping.grace' && snapshot.context.stop?.deadlineMs === Number.POSITIVE_INFINITY
    return isPatient ? undefined : `${phase} waits for nothing`
  },

  function everyCallHasALimit({ after: { calls, timers } }) {
    const limits = timers.filter(({ id }) => id.startsWith('xstate.after.'))
    return calls.length > limits.length ? `${calls[0]?.effect} has no limit of time` : undefined
  },

  /** Only a clean-up that failed again and again leaves something behind, and that is reported as a failure. */
  function theDeadAreDead({ after }) {
    const { world, gaveUp, snapshot } = after
    if (!isOver(after) || gaveUp || !isAlive(world)) return undefined
    return `${phaseOf(snapshot.value)} with a living process`
  },

  function nothingIsLeftBehind({ after: { snapshot, timers, world, gaveUp } }) {
    if (snapshot.status !== 'done') return undefined
    if (timers.length > 0) return `${timers[0]?.id} is armed after the end`
    return world.process === 'none' || gaveUp ? undefined : 'deleted, and the runtime still knows it'
  },

  /** Where nothing goes wrong nothing may seem to: a timeout that tidies up after our own mistake is one, too. */
  function nothingFailsWithoutAFault({ before, step, liberties }) {
    // What is asked of a process that has ended meanwhile cannot succeed.
    if (liberties.faults || before.world.process === 'dead') return undefined
    for (const event of step?.emitted ?? []) {
      const error =
        event.type === 'replied'
          ? event.outcome.kind === 'failed' && event.outcome.error
          : event.event.type === 'failed' && event.event.error
      if (error !== false && !blameless.has(error.code)) return `${error.code} although nothing went wrong`
      if (event.type === 'published' && event.event.type === 'exited' && event.event.exit.kind === 'unknown')
        return 'an unknown exit although nothing went wrong'
    }
    return undefined
  },

  /** Nobody asked for these times to be kept. */
  function restsWithNothingArmed({ after }) {
    const phase = phaseOf(after.snapshot.value)
    const isResting = ['registered', 'failed', 'stopped', 'created', 'running', 'paused'].includes(phase)
    return isResting && after.timers.length > 0 ? `${phase} with ${after.timers[0]?.id} armed` : undefined
  },

  function restsWithNothingQueued({ after }) {
    const phase = phaseOf(after.snapshot.value)
    const isResting = ['registered', 'failed', 'stopped', 'created', 'running', 'paused'].includes(phase)
    const { waiting, deferred } = after.snapshot.context
    return isResting && waiting.length + deferred.length > 0 ? `${phase} with requests that wait` : undefined
  },
]

/** What is wrong with a transition, one line each. */
export function violationsOf(transition: Transition): string[] {
  return laws.flatMap((check) => {
    const problem = check(transition)
    return problem === undefined ? [] : [`${check.name}: ${problem}`]
  })
}

/** How many laws there are, for the report. */
export const lawsCount = laws.length

/** A request that joins an open one is not new. */
export function newRequestsOf({ event }: Move): Configuration['requests'] {
  return event !== undefined && isCommand(event) ? [requestOf(event)] : []
}
