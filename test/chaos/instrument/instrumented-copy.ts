/** The sources of the product, rewritten by rewrite.ts, as plain JavaScript in a directory of their own. */
import { createHash } from 'node:crypto'
import { globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ChaosPlan } from './points.ts'
import { rewrite } from './rewrite.ts'

export interface InstrumentedCopy {
  /** Has index.js, and impl/launcher/main.js. */
  readonly directory: string
  /** Node's compile cache, so that a child is up in a third of the time. */
  readonly compileCache: string
}

const instruments = dirname(fileURLToPath(import.meta.url))
const project = join(instruments, '../../..')

/** Made anew when a source or an instrument has changed; several processes may ask at once. */
export function instrumentedCopy(): InstrumentedCopy {
  const sources = globSync('src/**/*.ts', { cwd: project }).toSorted()
  const texts = new Map(sources.map((file) => [file, readFileSync(join(project, file), 'utf8')]))
  const hash = createHash('sha256')
  for (const [file, text] of texts) hash.update(file).update(text)
  for (const file of globSync('*.ts', { cwd: instruments }).toSorted()) {
    hash.update(readFileSync(join(instruments, file)))
  }
  const cache = join(project, '.cache/chaos')
  const name = hash.digest('hex').slice(0, 16)
  const copy = { directory: join(cache, name), compileCache: join(cache, `${name}-compiled`) }
  if (globSync('index.js', { cwd: copy.directory }).length === 0) writeCopy(copy.directory, texts)
  return copy
}

/**
 * Writes a program that is the instrumented launcher. It gets no environment from its supervisor, so its plan and its
 * compile cache stand in it. The plan is that of the first launcher: one that takes its place lives.
 */
export function writeLauncher(file: string, copy: InstrumentedCopy, plan: ChaosPlan): void {
  const text = [
    `import { enableCompileCache } from 'node:module'`,
    `enableCompileCache(${JSON.stringify(copy.compileCache)})`,
    `const { setFirstPlan } = await import(${JSON.stringify(instrument('points.ts'))})`,
    `setFirstPlan(${JSON.stringify(plan)}, ${JSON.stringify(`${file}.ran`)})`,
    `await import(${JSON.stringify(join(copy.directory, 'impl/launcher/main.js'))})`,
  ]
  writeFileSync(file, `${text.join('\n')}\n`)
}

function writeCopy(directory: string, texts: ReadonlyMap<string, string>): void {
  const temporary = `${directory}.${process.pid}`
  const modules = {
    'node:child_process': instrument('noted-child-process.ts'),
    'node:fs': instrument('faulty-fs.ts'),
    'node:fs/promises': instrument('faulty-promises.ts'),
  }
  const substitutes = { points: instrument('points.ts'), modules }
  for (const [file, text] of texts) {
    const name = file.replace(/^src\//, '')
    const target = join(temporary, name.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, rewrite(text, name.replace(/\.ts$/, ''), substitutes).code)
  }
  try {
    renameSync(temporary, directory)
  } catch (error) {
    // Another process was faster.
    rmSync(temporary, { recursive: true })
    if (globSync('index.js', { cwd: directory }).length === 0) throw error
  }
}

function instrument(file: string): string {
  return new URL(file, import.meta.url).href
}
