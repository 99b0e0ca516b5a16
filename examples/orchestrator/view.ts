/** What a display of the demo must be able to show. `table.ts` and `report.ts` have one each. */
import type { ContainerEvent } from 'oci-supervisor'
import type { RuntimeChoice } from './host.ts'
import type { Result } from './outcome.ts'

export interface View {
  begin(choice: RuntimeChoice, stackPath: string): void
  /** The address of the inspector's page, and whether it stays when all have ended. */
  inspector(url: string, stays: boolean): void
  /** Something happened to a container. Its `container` has the new state already. */
  event(event: ContainerEvent): void
  /** The demo was told to stop. */
  interrupted(by: string): void
  /** One container is through. */
  ended(result: Result): void
  /** All are through; the last call. */
  summary(results: readonly Result[]): void
}

export type Write = (text: string) => unknown

/** The first line. */
export function headline(choice: RuntimeChoice, stackPath: string): string {
  if (choice.kind === 'real') return `${choice.name} (${choice.path}) runs ${stackPath}`
  return `simulated runtime, no real containers (${choice.why}): plays ${stackPath}`
}

/** Where to watch. */
export function inspectorLine(url: string, stays: boolean): string {
  return `inspector: ${url}${stays ? ' (Ctrl-C ends it)' : ''}`
}

/** Text from elsewhere (a runtime's words) without what a terminal would obey, and on one line. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').trim()
}

/** One line per container, then the sum. */
export function summaryLines(results: readonly Result[]): readonly string[] {
  const nameWidth = Math.max(0, ...results.map(({ member }) => member.entry.name.length))
  const lines = results.map(({ member, verdict, reason, expected }) => {
    const label = { asExpected: 'ok   ', unexpected: 'WRONG', notJudged: '-    ' }[verdict]
    const wish = verdict === 'unexpected' ? `; expected: ${expected}` : ''
    return `${label} ${member.entry.name.padEnd(nameWidth)}  ${printable(reason)}${wish}`
  })
  const { asExpected, unexpected, notJudged } = countVerdicts(results)
  const parts = [`${asExpected.length} as expected`]
  if (unexpected.length > 0) parts.push(`${unexpected.length} not as expected (${unexpected.join(', ')})`)
  if (notJudged.length > 0) parts.push(`${notJudged.length} not judged (${notJudged.join(', ')})`)
  return [...lines, `${results.length} containers: ${parts.join(', ')}`]
}

/** The names of the containers by verdict. */
export function countVerdicts(
  results: readonly Result[],
): Readonly<Record<Result['verdict'], readonly string[]>> {
  const named = (verdict: Result['verdict']) =>
    results.filter((result) => result.verdict === verdict).map(({ member }) => member.entry.name)
  return { asExpected: named('asExpected'), unexpected: named('unexpected'), notJudged: named('notJudged') }
}
