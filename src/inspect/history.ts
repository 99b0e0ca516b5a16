/** What happened to one container, as records: from the event log what was before somebody looked, then every transition. */
import { isError } from '../errors/index.ts'
import type { MachineStep } from '../actors/start-actor.ts'
import type { OciError } from '../errors/index.ts'
import type { ContainerEvent, SupervisorEvent } from '../observe/event-types.ts'
import type { HistoryRecord } from './protocol.ts'
import { exitWords } from './words.ts'

type Scrub = (message: string) => string

const nothing = { detail: undefined, from: undefined, to: undefined, afterMs: undefined, edges: [] }

/** A transition of the machine. `afterMs` is how long the state before lasted. */
export function transitionRecord(
  { event, taken }: MachineStep,
  at: string,
  places: { readonly from: string; readonly to: string; readonly afterMs: number },
  scrub: Scrub,
): HistoryRecord {
  return {
    at,
    kind: 'transition',
    ...causeOf(event, scrub),
    ...places,
    edges: taken,
  }
}

/** An event of the log; a change of phase counts only where no transition was seen. */
export function eventRecord(event: SupervisorEvent, scrub: Scrub): HistoryRecord {
  if (event.type === 'dropped') {
    const detail = event.count === undefined ? undefined : `${event.count} events`
    return { ...nothing, at: '', kind: 'gap', what: 'not kept', detail }
  }
  if (event.type === 'phase') {
    const { at, from, to, inPhaseMs } = event
    return { ...nothing, at, kind: 'phase', what: '', from, to, afterMs: inPhaseMs }
  }
  return { ...nothing, at: event.at, kind: 'event', what: event.type, detail: detailOf(event, scrub) }
}

function detailOf(event: Exclude<ContainerEvent, { type: 'phase' }>, scrub: Scrub): string | undefined {
  switch (event.type) {
    case 'created':
      return `pid ${event.pid}`
    case 'exited':
      return exitText(event)
    case 'failed':
      return errorText(event.error, scrub)
    case 'stopStuck':
      return `${event.killAttempts} KILLs${event.processState === undefined ? '' : `, process ${event.processState}`}`
    case 'execStarted':
      return `pid ${event.pid}`
    case 'execExited':
      return execText(event)
    case 'started':
    case 'paused':
    case 'resumed':
    case 'monitorLost':
    case 'deleted':
      return undefined
    default:
      return undefined
  }
}

function exitText({ exit, durable }: Extract<ContainerEvent, { type: 'exited' }>): string {
  const { code, signal, unknown, oomKilled } = exitWords(exit)
  const parts = [
    code === undefined ? `unknown: ${unknown ?? ''}` : `code ${code}`,
    signal,
    oomKilled ? 'out of memory' : undefined,
    durable ? undefined : 'not on disk',
  ]
  return parts.filter((part) => part !== undefined).join(', ')
}

function execText({ exit }: Extract<ContainerEvent, { type: 'execExited' }>): string {
  return exit.kind === 'code' ? `code ${exit.code}` : exit.why
}

function errorText({ code, message }: OciError, scrub: Scrub): string {
  return `${code}: ${scrub(message)}`
}

/** Why a transition was taken: what was asked, what came of an effect, which time was over. */
function causeOf(
  event: { readonly type: string },
  scrub: Scrub,
): { what: string; detail: string | undefined } {
  const { type } = event
  const [, outcome] = /^xstate\.(done|error)\.actor\./.exec(type) ?? []
  if (outcome === 'done') return { what: 'done', detail: undefined }
  if (outcome === 'error') return { what: 'failed', detail: failureIn(event, scrub) }
  const [, delay] = /^xstate\.after\.([A-Za-z0-9]+)/.exec(type) ?? []
  if (delay !== undefined) return { what: `after ${spaced(delay)}`, detail: undefined }
  if (type === 'xstate.init') return { what: 'began', detail: undefined }
  return { what: type.replace(/^container\./, '').replaceAll('.', ' '), detail: requestText(event) }
}

function failureIn(event: object, scrub: Scrub): string | undefined {
  const error = 'error' in event ? event.error : undefined
  if (!isError(error)) return undefined
  const code = 'code' in error ? `${String(error.code)}: ` : ''
  return `${code}${scrub(error.message)}`
}

function requestText(event: object): string | undefined {
  const parts = [
    'timeoutMs' in event && typeof event.timeoutMs === 'number' ? graceText(event.timeoutMs) : undefined,
    'force' in event && event.force === false ? 'not forced' : undefined,
    'code' in event && typeof event.code === 'number' ? `code ${event.code}` : undefined,
    'status' in event && typeof event.status === 'string' ? event.status : undefined,
    'requestId' in event && typeof event.requestId === 'number' ? `request ${event.requestId}` : undefined,
  ]
  return parts.filter((part) => part !== undefined).join(', ') || undefined
}

function graceText(timeoutMs: number): string {
  if (timeoutMs <= 0) return 'at once'
  return timeoutMs === Number.POSITIVE_INFINITY ? 'no limit' : `grace ${timeoutMs / 1000} s`
}

/** `createTimeout` as `create timeout`. */
function spaced(name: string): string {
  return name.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}
