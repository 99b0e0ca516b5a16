import { Container } from 'oci-supervisor'
import { setState } from 'oci-supervisor/testing'
import { afterEach, expect, it } from 'vitest'
import type { Member } from '../../../examples/orchestrator/member.ts'
import { judge } from '../../../examples/orchestrator/outcome.ts'
import { liveTable, type Terminal } from '../../../examples/orchestrator/table.ts'
import type { View } from '../../../examples/orchestrator/view.ts'

function member(name: string): Member {
  const entry = {
    name,
    args: ['true'],
    memoryLimitBytes: undefined,
    pauseForMs: undefined,
    stopAfterMs: undefined,
    graceSeconds: 10,
    expect: { kind: 'exit', code: 0 },
  } as const
  return { entry, container: new Container({ id: name, bundlePath: `/bundles/${name}` }) }
}

// The escape character may not stand in a pattern as such.
const sequences = new RegExp(String.raw`ESC\[(\d+)A|ESC\[(J)|([^ESC])`.replaceAll('ESC', '\u001b'), 'gu')

/** What a person would see: understands the three sequences that the table uses. */
class Screen implements Terminal {
  readonly lines: string[] = ['']
  #row = 0
  readonly columns: number
  readonly rows: number

  constructor(columns: number, rows: number) {
    this.columns = columns
    this.rows = rows
  }

  write(text: string): void {
    for (const [, up, cleared, character] of text.matchAll(sequences)) {
      if (up !== undefined) this.#row -= Number(up)
      else if (cleared !== undefined) this.lines.splice(this.#row, Number.POSITIVE_INFINITY, '')
      else if (character === '\n') this.lines[++this.#row] ??= ''
      else if (character !== '\r') this.lines[this.#row] += character ?? ''
    }
  }
}

let shown: View | undefined

afterEach(() => {
  shown?.summary([])
})

function show(members: readonly Member[], screen: Screen): View {
  shown = liveTable(members, screen)
  shown.begin({ kind: 'real', name: 'runc', path: '/sbin/runc' }, 'stack.toml')
  return shown
}

const exited = {
  kind: 'exited',
  exit: {
    kind: 'code',
    code: 0,
    inferredSignal: undefined,
    oomKilled: false,
    finished: '2026-01-01T00:00:00Z',
  },
  graceSeconds: undefined,
} as const

it('shows one line per container, rewritten in place', () => {
  const screen = new Screen(100, 30)
  const [web, job] = [member('web'), member('job')]
  setState(web.container, { pid: 4711 })
  const view = show([web, job], screen)
  view.ended(judge(job, exited))
  expect(screen.lines.length).toBe(5)
  expect(screen.lines[0]).toBe('runc (/sbin/runc) runs stack.toml')
  expect(screen.lines[1]).toMatch(/^NAME +STATE +SINCE +PID +EXIT +REASON$/)
  expect(screen.lines[2]).toMatch(/^web +registered +\d+\.\d s +4711$/)
  expect(screen.lines[3]).toMatch(/^job +registered +\d+\.\d s +exited 0$/)
})

it('cuts what a narrow terminal would wrap', () => {
  const screen = new Screen(30, 30)
  const web = member('web')
  show([web], screen).ended(judge(web, { kind: 'failed', error: new Error('x'.repeat(200)) }))
  expect(screen.lines[2]).toMatch(/^web .*…$/)
  for (const line of screen.lines.slice(1)) expect(line.length).toBeLessThan(30)
})

it('keeps to the height of a low terminal, and says how much is missing', () => {
  const screen = new Screen(80, 4)
  show(
    ['a', 'b', 'c', 'd'].map((name) => member(name)),
    screen,
  )
  expect(screen.lines.slice(2)).toEqual([expect.stringMatching(/^a /), '… 3 more', ''])
})

it('does not pass on what a terminal would obey', () => {
  const screen = new Screen(80, 30)
  const web = member('web')
  show([web], screen).ended(judge(web, { kind: 'failed', error: new Error('bad\u001b[2J\nword') }))
  expect(screen.lines[2]).toMatch(/bad \[2J word$/)
})
