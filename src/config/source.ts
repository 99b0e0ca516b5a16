/** Where a configuration came from: how it spells its keys, and how to complain about them. */
import type { z } from 'zod'
import { OciError, type Operation } from '../errors/index.ts'
import type { ConfigWarning } from './config.ts'

type KeyPath = readonly PropertyKey[]

export interface Source {
  /** The public function that reads it. */
  readonly operation: Operation
  readonly file: string | undefined
  /** The key of a setting, given by its JavaScript path, as the source spells it. */
  key(path: KeyPath): string
  /** What was found odd before any value was looked at. */
  readonly warnings: readonly ConfigWarning[]
}

const issuesShownMax = 5
const hintsShownMax = 3
const textShownMax = 80

/** `['crio', 'runtime', 'conmon_env', 1]` as `crio.runtime.conmon_env[1]`, with odd keys quoted as in TOML. */
export function dottedKey(path: KeyPath): string {
  let key = ''
  for (const segment of path) {
    if (typeof segment === 'number') key += `[${segment}]`
    else key += `${key === '' ? '' : '.'}${keySegment(String(segment))}`
  }
  return key
}

/** What CRI-O has no key for. */
const ownSettings: ReadonlySet<PropertyKey | undefined> = new Set(['stateDir', 'runDir', 'durability'])

/** The TOML key of a JavaScript path: `stateDir` is `oci-supervisor.state_dir`, everything else is in `crio.runtime`. */
export function tomlKey(path: KeyPath): string {
  const [setting, handler, handlerSetting, ...rest] = path
  const table = ownSettings.has(setting) ? ['oci-supervisor'] : ['crio', 'runtime']
  const tail = setting === 'runtimes' ? [handler, snakeCase(handlerSetting), ...rest] : path.slice(1)
  return dottedKey([...table, snakeCase(setting), ...tail].filter((segment) => segment !== undefined))
}

/** ERR_CONFIG about one key. Mistyped keys are named too: they are the likely cause. */
export function configError(source: Source, key: string, rule: string): OciError {
  return complain(source, key, `${key} ${rule}`)
}

/** ERR_CONFIG for what a schema found. The field is the first issue's key. */
export function schemaError(source: Source, error: z.ZodError): OciError {
  const shown = error.issues.slice(0, issuesShownMax).map((issue) => issueText(issue))
  const more = error.issues.length - shown.length
  if (more > 0) shown.push(`and ${more} more`)
  return complain(source, dottedKey(error.issues[0]?.path ?? []), shown.join('; '))
}

function complain(source: Source, key: string, text: string): OciError {
  const hints = source.warnings
    .filter((warning) => warning.nearest !== undefined)
    .slice(0, hintsShownMax)
    .map((warning) => warning.message)
  const place = source.file === undefined ? '' : `${source.file}: `
  const hint = hints.length === 0 ? '' : ` (${hints.join('; ')})`
  const message = `${place}${text}${hint}`
  return new OciError('ERR_CONFIG', message, { operation: source.operation, field: key, file: source.file })
}

function issueText(issue: z.core.$ZodIssue): string {
  const key = dottedKey(issue.path)
  const subject = key === '' ? 'the configuration' : key
  if (issue.code === 'invalid_key') return `${subject} ${issue.issues[0]?.message ?? 'is no name'}`
  // The values of environment variables may be secrets, and error messages end in logs.
  const secret = /env(?:\[|$)/i.test(key)
  return `${subject} ${issue.message}${secret ? '' : `; it is ${shownValue(issue.input)}`}`
}

function shownValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(bounded(value))
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value)
  if (value === undefined) return 'missing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && 'getTime' in value) return 'a date'
  return typeof value === 'object' ? 'a table' : `a ${typeof value}`
}

function keySegment(segment: string): string {
  return /^[A-Za-z0-9_-]+$/.test(segment) ? bounded(segment) : JSON.stringify(bounded(segment))
}

function bounded(text: string): string {
  return text.length <= textShownMax ? text : `${text.slice(0, textShownMax)}…`
}

/** `ctrStopTimeoutSeconds` as `ctr_stop_timeout`: TOML keys are CRI-O's, without units. */
function snakeCase(name: PropertyKey | undefined): PropertyKey | undefined {
  if (typeof name !== 'string') return name
  return name.replace(/(?:Seconds|Ms|Bytes)$/, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
