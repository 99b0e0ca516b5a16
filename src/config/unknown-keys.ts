/** Finds keys that nobody reads, and what was probably meant. A mistyped key must not fail a start, nor go unseen. */
import type { ConfigWarning } from './config.ts'
import { dottedKey } from './source.ts'

/** Of one configuration, and of one table: a file of unknown keys must not cost a comparison each. */
const warningsMax = 50
/** No known key is near anything longer, and the comparison is quadratic. */
const comparedCharactersMax = 64

export interface KnownKeys {
  /** The path of the table. */
  readonly path: readonly string[]
  /** The keys that may stand in it, those that we read first. */
  readonly keys: readonly string[]
  /** `near`: the table is not ours, so only warn of a key that looks like one of `keys`. */
  readonly report: 'all' | 'near'
}

/** One warning for each key of `table` that is not known; none when it is no table, which the schema reports. */
export function unknownKeys(table: unknown, known: KnownKeys): readonly ConfigWarning[] {
  const unknown = keysOf(table).filter((name) => !known.keys.includes(name))
  const warnings: ConfigWarning[] = []
  for (const name of unknown.slice(0, warningsMax)) {
    const near = nearestKey(name, known.keys)
    if (near === undefined && known.report === 'near') continue
    warnings.push(warningOf([...known.path, name], near === undefined ? undefined : [...known.path, near]))
  }
  return warnings
}

/** At most 50 of `warnings`, the last one telling how many there were. */
export function boundedWarnings(warnings: readonly ConfigWarning[]): readonly ConfigWarning[] {
  if (warnings.length <= warningsMax) return warnings
  const shown = warnings.slice(0, warningsMax - 1)
  const more = warnings.length - shown.length
  return [...shown, { key: '', nearest: undefined, message: `${more} more warnings are not shown` }]
}

/** A plain object's keys; of anything else none. */
export function keysOf(table: unknown): readonly string[] {
  return typeof table === 'object' && table !== null && !Array.isArray(table) ? Object.keys(table) : []
}

/** The one of `known` that is at most a third of its letters away; case and separators do not count. */
function nearestKey(key: string, known: readonly string[]): string | undefined {
  if (key.length > comparedCharactersMax) return undefined
  const plainKey = plain(key)
  let nearest: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const plainCandidate = plain(candidate)
    const edits = editDistance(plainKey, plainCandidate)
    if (edits < least && edits <= Math.max(plainKey.length, plainCandidate.length) / 3) {
      nearest = candidate
      least = edits
    }
  }
  return nearest
}

function warningOf(path: readonly string[], nearPath: readonly string[] | undefined): ConfigWarning {
  const key = dottedKey(path)
  const nearest = nearPath === undefined ? undefined : dottedKey(nearPath)
  const meant = nearest === undefined ? '' : `; did you mean ${nearest}?`
  return { key, nearest, message: `unknown key ${key} is ignored${meant}` }
}

function plain(key: string): string {
  return key.toLowerCase().replace(/[-_]/g, '')
}

/** Levenshtein's distance, one row at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
