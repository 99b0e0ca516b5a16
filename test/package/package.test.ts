/** The package as npm publishes it, in a project of somebody else: what a program gets, and what a compiler. No containers. */
import { beforeAll, describe, expect, it } from 'vitest'
import { patience } from '../support/patience.ts'
import { entries, makeThrowAwayProject, manifest, type ThrowAwayProject } from './throw-away-project.ts'

let app: ThrowAwayProject
beforeAll(async () => {
  app = await makeThrowAwayProject()
}, patience(180_000))

describe.each(entries)('%s', (entry) => {
  it('can be required by a CommonJS program and imported by a module, with the same names', () => {
    app.write('names.cjs', `console.log(Object.keys(require('${entry}')).sort().join())`)
    app.write('names.mjs', `import * as all from '${entry}'\nconsole.log(Object.keys(all).sort().join())`)
    const names = app.run('node', 'names.mjs').trim().split(',')
    expect(names).not.toEqual([''])
    // Node's own marks, which differ from version to version.
    const marks = new Set(['__esModule', 'default', 'module.exports'])
    const required = app.run('node', 'names.cjs').trim().split(',')
    expect(required.filter((name) => !marks.has(name))).toEqual(names.filter((name) => !marks.has(name)))
  })
})

it.each(['launcher', 'attach-bridge'])('tells an embedder who bundles it where its %s is', (name) => {
  app.write('where.mjs', `console.log(import.meta.resolve('oci-supervisor/${name}'))`)
  expect(app.run('node', 'where.mjs')).toContain(`/node_modules/oci-supervisor/dist/impl/${name}/main.js`)
})

it.each(['nodenext', 'bundler'] as const)(
  'gives a strict TypeScript program its types with --moduleResolution %s',
  (moduleResolution) => {
    app.write('typed.mts', typed)
    expect(app.compile('typed.mts', moduleResolution, '--noEmit')).toBe('')
  },
  patience(120_000),
)

const typed = `
import { Container, defineConfig, Runtime, type SupervisorEvent } from 'oci-supervisor'
import { openInspector } from 'oci-supervisor/inspect'
import { SimulatedClock, SimulatedRuntime } from 'oci-supervisor/testing'

export async function main(): Promise<number | undefined> {
  const config = defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } })
  const clock = new SimulatedClock()
  const runtime = await Runtime.open(config, {
    clock,
    implementations: { sim: () => new SimulatedRuntime({ clock }) },
  })
  const types = new Set<SupervisorEvent['type']>()
  runtime.events$.subscribe(({ type }) => types.add(type))
  const inspector = await openInspector(runtime)
  const container = new Container({ id: 'c', bundlePath: '/b' })
  await runtime.createContainer(container)
  await inspector.close()
  const exit = await runtime.waitContainer(container)
  // @ts-expect-error -- any would hide this: who knows why has no code
  if (exit.kind === 'unknown') return exit.code
  return exit.code
}
`

it('does nothing at installation', () => {
  const atInstallation = new Set(['preinstall', 'install', 'postinstall', 'prepare'])
  expect(Object.keys(manifest.scripts).filter((name) => atInstallation.has(name))).toEqual([])
})
