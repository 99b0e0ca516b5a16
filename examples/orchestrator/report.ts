/** The displays for pipes and files: plain lines for people, JSON lines for programs. */
import { isOciError, type ContainerEvent, type OciError } from 'oci-supervisor'
import { reasonOf, type Outcome } from './outcome.ts'
import {
  countVerdicts,
  headline,
  inspectorLine,
  printable,
  summaryLines,
  type View,
  type Write,
} from './view.ts'

/** One line per lifecycle event. `names` are the containers' by id. */
export function plainReport(names: ReadonlyMap<string, string>, write: Write): View {
  const width = Math.max(0, ...[...names.values()].map((name) => name.length))
  const line = (name: string, text: string) => write(`${name.padEnd(width)}  ${printable(text)}\n`)
  return {
    begin: (choice, stackPath) => write(`${headline(choice, stackPath)}\n`),
    inspector: (url, stays) => write(`${inspectorLine(url, stays)}\n`),
    event: (event) => {
      const text = eventText(event)
      if (text !== undefined) line(names.get(event.containerId) ?? event.containerId, text)
    },
    interrupted: (by) => write(`${by}: stopping all containers\n`),
    ended: ({ member, verdict, reason }) => {
      if (verdict === 'notJudged') line(member.entry.name, reason)
    },
    summary: (results) => write(`\n${summaryLines(results).join('\n')}\n`),
  }
}

/** Undefined for what is of no interest in a list of what happened. */
function eventText(event: ContainerEvent): string | undefined {
  switch (event.type) {
    case 'phase':
      return undefined
    case 'created':
      return `created, pid ${event.pid}`
    case 'exited':
      return reasonOf({ kind: 'exited', exit: event.exit, graceSeconds: undefined })
    case 'failed':
      return `failed: ${event.error.message}`
    case 'stopStuck':
      return `does not die after ${event.killAttempts} KILLs`
    case 'monitorLost':
      return 'its monitor died'
    case 'execStarted':
      return `command ${event.execId} started, pid ${event.pid}`
    case 'execExited':
      return `command ${event.execId} ended: ${event.exit.kind === 'code' ? event.exit.code : event.exit.why}`
    case 'started':
    case 'paused':
    case 'resumed':
    case 'deleted':
    default:
      return event.type
  }
}

/** One object per line; `type` is demo, inspector, event, interrupted, outcome or summary. */
export function jsonReport(names: ReadonlyMap<string, string>, write: Write): View {
  const line = (value: object) => write(`${JSON.stringify(value)}\n`)
  return {
    begin: (choice, stack) => line({ type: 'demo', runtime: nameOf(choice), ...choice, stack }),
    inspector: (url, stays) => line({ type: 'inspector', url, stays }),
    event: ({ type, containerId, cursor: { seq }, at, ...facts }) => {
      const container = names.get(containerId) ?? containerId
      line({ type: 'event', event: type, container, containerId, seq, at, ...withPlainError(facts) })
    },
    interrupted: (by) => line({ type: 'interrupted', by }),
    ended: ({ member, outcome, verdict, reason, expected }) => {
      line({
        type: 'outcome',
        container: member.entry.name,
        verdict,
        reason,
        expected,
        outcome: plainOutcome(outcome),
      })
    },
    summary: (results) => line({ type: 'summary', ...countVerdicts(results) }),
  }
}

function nameOf(choice: Parameters<View['begin']>[0]): string {
  return choice.kind === 'real' ? choice.name : 'sim'
}

function withPlainError(facts: object): object {
  return 'error' in facts && isOciError(facts.error) ? { ...facts, error: plainError(facts.error) } : facts
}

function plainOutcome(outcome: Outcome): object {
  if (outcome.kind !== 'failed') return outcome
  return {
    kind: 'failed',
    error: isOciError(outcome.error) ? plainError(outcome.error) : String(outcome.error),
  }
}

/** Errors are not plain data: JSON.stringify would lose the message. */
function plainError({ code, message, operation }: OciError): object {
  return { code, message, operation }
}
