import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { makeTempRoot } from '../support/temp-root.ts'

const project = join(import.meta.dirname, '..', '..')
const app = makeTempRoot()
const installed = join(app, 'node_modules', 'oci-supervisor')

const manifest = z
  .object({
    dependencies: z.record(z.string(), z.string()),
    peerDependencies: z.record(z.string(), z.string()),
    exports: z.record(z.string(), z.unknown()),
    scripts: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')))

/** What a program in the application prints; a failing one fails the test with all it said (tsc says it on stdout). */
function run(program: string, ...argv: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, argv, { cwd: app, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${argv.join(' ')} failed:\n${stdout}${stderr}`)
  return stdout
}

/** Builds the package into an application that has installed it with its dependencies and peers, and no others. */
beforeAll(() => {
  mkdirSync(installed, { recursive: true })
  cpSync(join(project, 'package.json'), join(installed, 'package.json'))
  run('tsc', '-p', join(project, 'tsconfig.build.json'), '--outDir', join(installed, 'dist'))
  // `@types/node` is the application's own: it has to be there for any program on Node.
  const { dependencies, peerDependencies } = manifest
  for (const name of [...Object.keys({ ...dependencies, ...peerDependencies }), '@types/node']) {
    mkdirSync(dirname(join(app, 'node_modules', name)), { recursive: true })
    symlinkSync(join(project, 'node_modules', name), join(app, 'node_modules', name))
  }
})

const entries = Object.keys(manifest.exports)
  .filter((path) => path !== './package.json')
  .map((path) => path.replace('.', 'oci-supervisor'))

describe.each(entries)('%s', (entry) => {
  it('can be required by a CommonJS program', () => {
    writeFileSync(join(app, 'program.cjs'), `console.log(Object.keys(require('${entry}')).length)`)
    expect(Number(run('node', 'program.cjs'))).toBeGreaterThan(0)
  })

  it('can be imported, and has the same names then', () => {
    writeFileSync(join(app, 'program.cjs'), `console.log(Object.keys(require('${entry}')).join())`)
    writeFileSync(
      join(app, 'program.mjs'),
      `import * as all from '${entry}'\nconsole.log(Object.keys(all).join())`,
    )
    expect(run('node', 'program.mjs')).toBe(run('node', 'program.cjs'))
  })
})

it('gives a TypeScript program its types, with libraries checked too', () => {
  writeFileSync(join(app, 'program.ts'), entries.map((entry) => `import '${entry}'\n`).join(''))
  const options = ['--ignoreConfig', '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023']
  expect(run('tsc', ...options, '--types', 'node', 'program.ts')).toBe('')
}, 120_000)

it('does nothing at installation', () => {
  const atInstallation = new Set(['preinstall', 'install', 'postinstall', 'prepare'])
  expect(Object.keys(manifest.scripts).filter((name) => atInstallation.has(name))).toEqual([])
})
