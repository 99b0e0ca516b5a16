/** The display for a terminal: a table of all containers, rewritten in place as they change. */
import type { Member } from './member.ts'
import type { Result } from './outcome.ts'
import { headline, inspectorLine, printable, summaryLines, type View } from './view.ts'

/** What is needed of a terminal; `process.stdout` is one. */
export interface Terminal {
  readonly columns: number
  readonly rows: number
  write(text: string): unknown
}

const redrawEveryMs = 250
const up = (lines: number) => (lines === 0 ? '' : `\u001b[${lines}A`)
const clearBelow = '\u001b[J'

export function liveTable(members: readonly Member[], terminal: Terminal): View {
  const results = new Map<Member, Result>()
  let drawnLines = 0
  const draw = () => {
    const rows = [header, ...members.map((member) => rowOf(member, results.get(member)))]
    const lines = fit(layOut(rows), terminal)
    terminal.write(`\r${up(drawnLines)}${clearBelow}${lines.map((line) => `${line}\n`).join('')}`)
    drawnLines = lines.length
  }
  // Events draw the changes; this is for the column `since`.
  const ticking = setInterval(draw, redrawEveryMs)
  ticking.unref()
  /** Writes something that stays, above the table. */
  const keep = (text: string) => {
    terminal.write(`\r${up(drawnLines)}${clearBelow}${text}\n`)
    drawnLines = 0
    draw()
  }
  return {
    begin: (choice, stackPath) => keep(headline(choice, stackPath)),
    inspector: (url, stays) => keep(inspectorLine(url, stays)),
    event: draw,
    interrupted: (by) => keep(`${by}: stopping all containers`),
    ended: (result) => {
      results.set(result.member, result)
      draw()
    },
    summary: (all) => {
      clearInterval(ticking)
      draw()
      terminal.write(`\n${summaryLines(all).join('\n')}\n`)
    },
  }
}

type Row = readonly string[]

const header: Row = ['NAME', 'STATE', 'SINCE', 'PID', 'EXIT', 'REASON']
const columnGap = '  '

/** Reading a container's state never waits, so a table may do it as often as it likes. */
function rowOf({ entry, container }: Member, result: Result | undefined): Row {
  const { pid, exitCode, exit } = container.state
  const since = Math.max(0, Date.now() - Date.parse(container.since))
  const reason = result?.reason ?? container.waitingFor ?? ''
  return [
    entry.name,
    container.phase,
    `${(since / 1000).toFixed(1)} s`,
    pid > 0 ? String(pid) : '',
    exit?.kind === 'unknown' ? '?' : String(exitCode ?? ''),
    printable(reason),
  ]
}

function layOut(rows: readonly Row[]): readonly string[] {
  const widths = header.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(columnGap)
      .trimEnd(),
  )
}

/** A wrapped or scrolled line could not be rewritten: what does not fit is cut. */
function fit(lines: readonly string[], { columns, rows }: Terminal): readonly string[] {
  const cut = lines.map((line) =>
    line.length < columns ? line : `${line.slice(0, Math.max(0, columns - 2))}…`,
  )
  const linesMax = Math.max(2, rows - 1)
  if (cut.length <= linesMax) return cut
  return [...cut.slice(0, linesMax - 1), `… ${cut.length - linesMax + 1} more`]
}
