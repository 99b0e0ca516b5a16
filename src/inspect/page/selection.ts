/** Which containers a filter leaves, and how many there are of each kind. */
import { rowFlags } from '../protocol.ts'
import type { Fleet, Row } from './fleet.ts'
import type { Filter, Special } from './routes.ts'

export const specials: readonly { readonly name: Special; readonly label: string; readonly tone: string }[] =
  [
    { name: 'stuck', label: 'waiting too long', tone: 'killing' },
    { name: 'failed', label: 'with an error', tone: 'failed' },
    { name: 'oom', label: 'out of memory', tone: 'failed' },
    { name: 'monitorLost', label: 'monitor lost', tone: 'failed' },
    { name: 'notDurable', label: 'not on disk', tone: 'stopping' },
  ]

const flags: readonly (readonly [Special, number])[] = [
  ['failed', rowFlags.failed],
  ['oom', rowFlags.oomKilled],
  ['monitorLost', rowFlags.monitorLost],
  ['notDurable', rowFlags.notDurable],
]

export interface Selection {
  readonly rows: readonly Row[]
  readonly byPhase: ReadonlyMap<string, number>
  readonly byHandler: ReadonlyMap<string, number>
  readonly bySpecial: ReadonlyMap<string, number>
  readonly stuck: readonly Row[]
}

export function select(fleet: Fleet, filter: Filter): Selection {
  const rows: Row[] = []
  const byPhase = new Map<string, number>()
  const byHandler = new Map<string, number>()
  const bySpecial = new Map<string, number>()
  const stuck: Row[] = []
  const passes = textFilter(filter.text)
  for (const row of fleet.rows.values()) {
    const kinds = kindsOf(fleet, row)
    increment(byPhase, row.phase.name)
    increment(byHandler, row.facts.handler)
    for (const kind of kinds) increment(bySpecial, kind)
    if (kinds.includes('stuck')) stuck.push(row)
    if (filter.phase !== '' && !isPhase(row.phase.name, filter.phase)) continue
    if (filter.handler !== '' && row.facts.handler !== filter.handler) continue
    if (filter.special !== '' && !kinds.some((kind) => kind === filter.special)) continue
    if (passes(row)) rows.push(row)
  }
  stuck.sort((a, b) => a.sinceMs - b.sinceMs)
  return { rows, byPhase, byHandler, bySpecial, stuck }
}

/** `stopping` means all of its phases. */
function isPhase(name: string, wanted: string): boolean {
  return name === wanted || name.startsWith(`${wanted}.`)
}

function kindsOf(fleet: Fleet, row: Row): Special[] {
  const kinds: Special[] = fleet.isStuck(row) ? ['stuck'] : []
  if (row.flags === 0) return kinds
  for (const [kind, flag] of flags) {
    if ((row.flags & flag) !== 0) kinds.push(kind)
  }
  return kinds
}

/** Words that all have to be found: in id, name, sandbox, image, or a label written as `name=value`. */
function textFilter(text: string): (row: Row) => boolean {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  if (words.length === 0) return () => true
  return ({ facts }) => {
    const labels = Object.entries(facts.labels).map(([name, value]) => `${name}=${value}`)
    const all = [facts.id, facts.name, facts.sandbox, facts.image, ...labels].join('\n').toLowerCase()
    return words.every((word) => all.includes(word))
  }
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
