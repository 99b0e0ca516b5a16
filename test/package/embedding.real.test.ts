/**
 * The package as npm publishes it, embedded in every form that people use, with a real container in each: ES module,
 * CommonJS, TypeScript as a compiler resolves it, and bundles, which have to say where the helper programs are.
 */
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { patience } from '../support/patience.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import { makeThrowAwayProject, project, type ThrowAwayProject } from './throw-away-project.ts'

let app: ThrowAwayProject
let rootfs: string
beforeAll(async () => {
  app = await makeThrowAwayProject()
  rootfs = makeRootfs(app.directory)
}, patience(180_000))

/** A life with a command in it, and with a terminal: those need the launcher and the attach bridge. Strict TypeScript, too. */
const life = `
async function main() {
  const { directory, rootfs, id, helpers } = JSON.parse(process.argv[2] ?? '')
  const config = defineConfig({
    runtimes: { crun: { runtimePath: '/usr/bin/crun' } },
    stateDir: directory + '/state',
    runDir: directory + '/run',
  })
  const runtime = await Runtime.open(config, helpers)
  const bundlePath = directory + '/bundle'
  await writeBundle(bundlePath, defaultSpec({ rootfs, args: ['/bin/sh', '-c', 'sleep 1000'] }))
  const container = new Container({ id, bundlePath })
  try {
    await runtime.createContainer(container)
    await runtime.startContainer(container)
    const { stdout } = await runtime.execSyncContainer(container, ['/bin/echo', 'from inside'], 60)
    const shown = [Buffer.alloc(0)]
    const terminal = new Writable({ write: (chunk, _encoding, done) => (shown.push(chunk), done()) })
    const ended = await runtime.execContainer(container, ['/bin/sh', '-c', 'test -t 1 && echo terminal; exit 3'], {
      tty: true,
      stdout: terminal,
    })
    await runtime.stopContainer(container, 0)
    const { exit } = container.state
    console.log(JSON.stringify([stdout.toString(), String(Buffer.concat(shown)), ended.kind === 'code' && ended.code, exit?.kind === 'code' && exit.code]))
  } finally {
    await runtime.deleteContainer(container)
    await runtime.close()
  }
}
main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
`
const names = '{ Container, defaultSpec, defineConfig, Runtime, writeBundle }'
const sources = {
  module: `import ${names} from 'oci-supervisor'\nimport { Writable } from 'node:stream'\n${life}`,
  commonjs: `const ${names} = require('oci-supervisor')\nconst { Writable } = require('node:stream')\n${life}`,
}

/** What the program saw: the command's output, the terminal's, its exit code, the container's. */
function live(file: string, helpers: Readonly<Record<string, string>> = {}): unknown {
  const order = { directory: makeTempRoot(), rootfs, id: makeContainerId('pkg'), helpers }
  return JSON.parse(app.run(process.execPath, file, JSON.stringify(order)))
}
const seen = ['from inside\n', 'terminal\r\n', 3, 137]

/** `helper` is that of the installed package. */
const helper = (name: string): string =>
  join(app.directory, `node_modules/oci-supervisor/dist/impl/${name}/main.js`)

/** As docs/hosts.md says. */
const asModule = [
  '--format=esm',
  "--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url), __dirname = import.meta.dirname",
]
const asCommonjs = ['--format=cjs']

/** By its program: a library of it would leave a process in ours. */
function bundle(entry: string, outfile: string, form: readonly string[]): void {
  const forNode = [
    '--bundle',
    '--platform=node',
    '--target=node22',
    '--loader:.node=copy',
    '--log-level=error',
  ]
  app.run(join(project, 'node_modules/.bin/esbuild'), entry, `--outfile=${outfile}`, ...forNode, ...form)
}

it('an ES module', () => {
  app.write('embed.mjs', sources.module)
  expect(live('embed.mjs')).toEqual(seen)
})

it('a CommonJS program', () => {
  app.write('embed.cjs', sources.commonjs)
  expect(live('embed.cjs')).toEqual(seen)
})

it('TypeScript, compiled with --moduleResolution nodenext', () => {
  app.write('typed.mts', sources.module)
  app.compile('typed.mts', 'nodenext', '--outDir', 'compiled')
  expect(live('compiled/typed.mjs')).toEqual(seen)
})

it('TypeScript, checked with --moduleResolution bundler and bundled', () => {
  app.write('typed.mts', sources.module)
  app.compile('typed.mts', 'bundler', '--noEmit')
  bundle('typed.mts', 'out/typed.mjs', asModule)
  expect(live('out/typed.mjs', { launcherPath: helper('launcher') })).toEqual(seen)
})

it('a bundle, beside which the package stays installed', () => {
  app.write('embed.mjs', sources.module)
  bundle('embed.mjs', 'out/embed.mjs', asModule)
  expect(live('out/embed.mjs', { launcherPath: helper('launcher') })).toEqual(seen)
})

it('a CommonJS bundle', () => {
  app.write('embed.cjs', sources.commonjs)
  bundle('embed.cjs', 'out/embed.cjs', asCommonjs)
  expect(live('out/embed.cjs', { launcherPath: helper('launcher') })).toEqual(seen)
})

it.each([
  ['mjs', sources.module, asModule],
  ['cjs', sources.commonjs, asCommonjs],
])(
  'a bundle (%s) that names no launcher says what it needs, and does not start itself',
  (ending, source, form) => {
    app.write(`embed.${ending}`, source)
    // Under this name the bundle itself stands where the launcher would be looked for.
    bundle(`embed.${ending}`, `out/main.${ending}`, form)
    expect(() => live(`out/main.${ending}`)).toThrow(/launcherPath must name [^]*ERR_INVALID_ARGUMENT/u)
  },
)
