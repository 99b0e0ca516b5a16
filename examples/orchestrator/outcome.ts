/** What came of a container, in words, and whether that is what the stack expects. */
import { constants } from 'node:os'
import { isOciError, type ExitStatus } from 'oci-supervisor'
import type { Member } from './member.ts'
import type { Expectation } from './stack.ts'

export type Outcome =
  /** `graceSeconds`: the grace it was given, when it ended after we had asked it to stop. */
  | { readonly kind: 'exited'; readonly exit: ExitStatus; readonly graceSeconds: number | undefined }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'notTried'; readonly why: string }
  | { readonly kind: 'interrupted' }

/** An outcome and the verdict on it. */
export interface Result {
  readonly member: Member
  readonly outcome: Outcome
  readonly verdict: 'asExpected' | 'unexpected' | 'notJudged'
  readonly reason: string
  readonly expected: string
}

export function judge(member: Member, outcome: Outcome): Result {
  const expected = expectationText(member.entry.expect)
  return {
    member,
    outcome,
    verdict: verdictOn(outcome, member),
    reason: reasonOf(outcome),
    expected,
  }
}

/** Why a container is where it is: the text of the table's last column. */
export function reasonOf(outcome: Outcome): string {
  if (outcome.kind === 'exited') return exitText(outcome.exit, outcome.graceSeconds)
  if (outcome.kind === 'failed') return errorText(outcome.error)
  return outcome.kind === 'notTried' ? `not tried: ${outcome.why}` : 'stopped: the demo was interrupted'
}

function exitText(exit: ExitStatus, graceSeconds: number | undefined): string {
  if (exit.oomKilled) return 'OOM killed'
  if (exit.kind === 'unknown') return `exit not known: ${exit.why}`
  if (exit.inferredSignal === undefined) return `exited ${exit.code}`
  // The monitor reports 128+n for signal n, and a process may exit with that number by itself.
  const killed = `killed (${signalName(exit.inferredSignal)} inferred)`
  return graceSeconds === undefined ? killed : `${killed} after ${graceSeconds} s grace`
}

function errorText(error: unknown): string {
  if (isOciError(error)) return error.message
  return `unexpected error: ${error instanceof Error ? error.message : String(error)}`
}

function verdictOn(outcome: Outcome, member: Member): Result['verdict'] {
  if (outcome.kind === 'notTried' || outcome.kind === 'interrupted') return 'notJudged'
  return meets(outcome, member) ? 'asExpected' : 'unexpected'
}

function meets(outcome: Outcome, { container, entry: { expect: expected } }: Member): boolean {
  if (expected.kind === 'createError') {
    if (outcome.kind !== 'failed' || container.created) return false
    return isOciError(outcome.error) && outcome.error.code === expected.code
  }
  if (outcome.kind !== 'exited') return false
  const { exit } = outcome
  if (expected.kind === 'oom' || exit.oomKilled) return expected.kind === 'oom' && exit.oomKilled
  if (exit.kind === 'unknown') return false
  if (expected.kind === 'exit') return exit.code === expected.code
  return exit.inferredSignal !== undefined && signalName(exit.inferredSignal) === `SIG${expected.name}`
}

function expectationText(expected: Expectation): string {
  if (expected.kind === 'exit') return `exit ${expected.code}`
  if (expected.kind === 'signal') return `killed by SIG${expected.name}`
  return expected.kind === 'oom' ? 'OOM killed' : `create fails with ${expected.code}`
}

function signalName(number: number): string {
  const [name] = Object.entries(constants.signals).find(([, known]) => known === number) ?? []
  return name ?? `signal ${number}`
}
