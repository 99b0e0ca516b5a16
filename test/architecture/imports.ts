/** Reads the imports of source files and holds them against a table of what is allowed. */
import { posix } from 'node:path'
import { everything, node, type ImportRule } from './import-table.ts'

export interface Import {
  readonly specifier: string
  /** True for `import type` and `export type`, which leave nothing behind at run time. */
  readonly isTypeOnly: boolean
}

const startProcesses = new Set(['node:child_process', 'node:cluster'])
const composition = new Set(['runtime.ts', 'index.ts'])

const statementPattern = /^(?:import|export)\s+(type\s+)?(?:[\w*\s{},$]+\s+from\s+)?['"]([^'"]+)['"]/gmu
const expressionPattern = /\b(typeof\s+)?(?:import|require)\(\s*['"]([^'"]+)['"]\s*\)/gu
const commentPattern = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gmu

/** The imports and re-exports of a formatted source text, dynamic ones with a literal name included. */
export function importsOf(source: string): Import[] {
  const code = source.replaceAll(commentPattern, '')
  const matches = [...code.matchAll(statementPattern), ...code.matchAll(expressionPattern)]
  return matches.map(([, type, specifier = '']) => ({ specifier, isTypeOnly: type !== undefined }))
}

/** The unit of a path below src: the longest row that fits. */
function unitOf(path: string, units: readonly string[]): string | undefined {
  const fitting = units.filter((unit) => path === unit || (unit.endsWith('/') && path.startsWith(unit)))
  return fitting.toSorted((a, b) => b.length - a.length)[0]
}

/** `xstate` for `xstate/graph`, `@scope/name` for `@scope/name/deep`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function allows(entries: readonly string[], target: string): boolean {
  return entries.some((entry) => {
    if (entry === everything) return !target.startsWith('node:') && !composition.has(target)
    if (entry === node) return target.startsWith('node:') && !startProcesses.has(target)
    return target === entry || (entry.endsWith('/') && target.startsWith(entry))
  })
}

/** What a file (its path below src) imports although its row does not say so: one sentence each. */
export function violationsOf(
  path: string,
  source: string,
  table: Readonly<Record<string, ImportRule>>,
): string[] {
  const units = Object.keys(table)
  const unit = unitOf(path, units)
  const rule = unit === undefined ? undefined : table[unit]
  if (unit === undefined || rule === undefined) return [`src/${path} has no row in the import table`]

  return importsOf(source).flatMap(({ specifier, isTypeOnly }) => {
    const isOwn = specifier.startsWith('.')
    const target = isOwn ? posix.join(posix.dirname(path), specifier) : targetOf(specifier)
    if (isOwn && unitOf(target, units) === unit) return []
    const entries = isTypeOnly ? [...rule.imports, ...(rule.types ?? [])] : rule.imports
    const kind = isTypeOnly ? 'import type' : 'import'
    return allows(entries, target) ? [] : [`src/${path} may not ${kind} '${specifier}' (row '${unit}')`]
  })
}

function targetOf(specifier: string): string {
  return specifier.startsWith('node:') ? specifier : packageOf(specifier)
}
