/**
 * A project that has installed the package as npm would publish it: `npm pack`, then `npm install` of the tarball, whose
 * dependencies are the newest that its ranges allow, from npm's cache or its registry.
 *
 * Deliberately not here: building. `npm pack` takes `dist` as it is.
 */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { patience } from '../support/patience.ts'
import { makeTempRoot } from '../support/temp-root.ts'

/** Ours, whose compiler and bundler serve here too: they are big. */
export const project = join(import.meta.dirname, '..', '..')

export const manifest = z
  .object({
    version: z.string(),
    exports: z.record(z.string(), z.unknown()),
    devDependencies: z.record(z.string(), z.string()),
    scripts: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')))

/** What the package is imported as; `./launcher` and `./attach-bridge` are programs, found by `import.meta.resolve`. */
const programs = new Set(['./launcher', './attach-bridge', './package.json'])
export const entries = Object.keys(manifest.exports)
  .filter((path) => !programs.has(path))
  .map((path) => path.replace('.', 'oci-supervisor'))

export interface ThrowAwayProject {
  readonly directory: string
  write(name: string, text: string): void
  /** What a program prints in the project's directory. One that fails throws with all it said (tsc says it on stdout). */
  run(program: string, ...argv: string[]): string
  /** What the compiler says of a program, at its strictest: nothing, when all is well. */
  compile(entry: string, moduleResolution: 'nodenext' | 'bundler', ...options: string[]): string
}

const compilerOptions = '--ignoreConfig --strict --skipLibCheck false --target es2023 --types node'

/** Installs the tarball and what an application brings itself: the optional peer, and the types of Node. */
export async function makeThrowAwayProject(): Promise<ThrowAwayProject> {
  if (!existsSync(join(project, 'dist/index.js'))) throw new Error('no dist: npm run build comes first')
  const directory = makeTempRoot()
  writeFileSync(join(directory, 'package.json'), '{ "name": "throw-away", "private": true }\n')
  await npm(project, 'pack', '--ignore-scripts', '--pack-destination', directory)
  const wanted = ['prom-client', '@types/node'].map((name) => `${name}@${rangeOf(name)}`)
  const tarball = `./oci-supervisor-${manifest.version}.tgz`
  // Scripts of packages are not run, as npm 11 has it by default: a package that needs them would not work there.
  await npm(
    directory,
    'install',
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    tarball,
    ...wanted,
  )
  const run = (program: string, ...argv: string[]): string => {
    const { status, stdout, stderr } = spawnSync(program, argv, { cwd: directory, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${program} ${argv.join(' ')} failed:\n${stdout}${stderr}`)
    return stdout
  }
  return {
    directory,
    write: (name, text) => writeFileSync(join(directory, name), text),
    run,
    compile: (entry, moduleResolution, ...options) => {
      const module = moduleResolution === 'bundler' ? 'esnext' : moduleResolution
      const resolving = ['--module', module, '--moduleResolution', moduleResolution]
      const tsc = join(project, 'node_modules/.bin/tsc')
      return run(tsc, ...compilerOptions.split(' '), ...resolving, ...options, entry)
    },
  }
}

function rangeOf(name: string): string {
  const range = manifest.devDependencies[name]
  if (range === undefined) throw new Error(`${name} is no devDependency`)
  return range
}

function npm(cwd: string, ...argv: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('npm', argv, { cwd, timeout: patience(120_000) }, (error, stdout, stderr) => {
      if (error === null) resolve()
      else reject(new Error(`npm ${argv.join(' ')} failed:\n${stdout}${stderr}`, { cause: error }))
    })
  })
}
