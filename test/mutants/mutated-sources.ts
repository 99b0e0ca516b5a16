/** All mutated sources, made once and kept until a source or the maker changes: workers start by the hundred. */
import { createHash } from 'node:crypto'
import { globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { mutate, type Mutant } from './mutated-source.ts'
import { mutatedFiles, project } from './scope.ts'

export interface MutatedSources {
  /** By URL. */
  readonly sources: ReadonlyMap<string, string>
  /** A mutant's number is its index. */
  readonly mutants: readonly Mutant[]
}

interface Kept {
  readonly sources: readonly (readonly [string, string])[]
  readonly mutants: readonly Mutant[]
}

export function mutatedSources(): MutatedSources {
  const hash = createHash('sha256').update(project)
  const texts = mutatedFiles.map((file) => readFileSync(join(project, file), 'utf8'))
  const makers = globSync('mutat*.ts', { cwd: import.meta.dirname }).toSorted()
  for (const text of texts) hash.update(text)
  for (const maker of makers) hash.update(readFileSync(join(import.meta.dirname, maker)))
  const path = join(project, '.cache/mutants', `${hash.digest('hex').slice(0, 16)}.json`)
  const kept = read(path) ?? keep(path, make(texts))
  return { sources: new Map(kept.sources), mutants: kept.mutants }
}

function keep(path: string, made: Kept): Kept {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.${process.pid}`, JSON.stringify(made))
  renameSync(`${path}.${process.pid}`, path)
  return made
}

function read(path: string): Kept | undefined {
  if (globSync(path).length === 0) return undefined
  // Written by this file alone.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return JSON.parse(readFileSync(path, 'utf8')) as Kept
}

function make(texts: readonly string[]): Kept {
  const switchModule = new URL('mutant-switch.ts', import.meta.url).href
  const sources: [string, string][] = []
  const mutants: Mutant[] = []
  for (const [index, file] of mutatedFiles.entries()) {
    const mutated = mutate(texts[index] ?? '', file, mutants.length, switchModule)
    sources.push([pathToFileURL(join(project, file)).href, mutated.code])
    mutants.push(...mutated.mutants)
  }
  return { sources, mutants }
}
