/**
 * The package as npm publishes it, embedded in every form that people use, with a real container in each: ES module,
 * CommonJS, TypeScript as Node runs it, and bundles, which have to say where the helper programs are.
 */
import { copyFileSync, cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import { makeThrowAwayProject, project, type ThrowAwayProject } from './throw-away-project.ts'

let app: ThrowAwayProject
let rootfs: string
beforeAll(async () => {
  app = await makeThrowAwayProject()
  rootfs = makeRootfs(app.directory)
}, 180_000)

/** A life with a command in it, and with a terminal: those need the launcher and the attach bridge. */
const life = `
async function main({ directory, rootfs, id, helpers }) {
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
    const { stdout } = await runtime.execSyncContainer(container, ['/bin/echo', 'from inside'], 20)
    const shown = []
    const terminal = new Writable({ write: (chunk, _encoding, done) => (shown.push(chunk), done()) })
    const ended = await runtime.execContainer(container, ['/bin/sh', '-c', 'test -t 1 && echo terminal; exit 3'], {
      tty: true,
      stdout: terminal,
    })
    await runtime.stopContainer(container, 0)
    const { exit } = container.state
    console.log(JSON.stringify([stdout.toString(), String(Buffer.concat(shown)), ended.code, exit.code]))
  } finally {
    await runtime.deleteContainer(container)
    await runtime.close()
  }
}
main(JSON.parse(process.argv[2])).catch((error) => {
  console.error(error)
  process.exitCode = 1
})
`
const names = '{ Container, defaultSpec, defineConfig, Runtime, writeBundle }'
const sources = {
  module: `import ${names} from 'oci-supervisor'\nimport { Writable } from 'node:stream'\n${life}`,
  commonjs: `const ${names} = require('oci-supervisor')\nconst { Writable } = require('node:stream')\n${life}`,
}

/** As docs/hosts.md says: the container's root is the user, who has no other id to give away. */
const rootless = sources.module
  .replace(
    'await writeBundle(bundlePath, defaultSpec({ rootfs, args:',
    `const spec = defaultSpec({ rootfs, args: ['/bin/sh', '-c', 'exit 3'] })
  if (helpers.mapped) {
    const own = [{ containerID: 0, hostID: process.getuid(), size: 1 }]
    Object.assign(spec.linux, { uidMappings: own, gidMappings: own })
    spec.linux.namespaces.push({ type: 'user' })
    spec.mounts.forEach((mount) => (mount.options = mount.options.filter((option) => !option.startsWith('gid='))))
  }
  await writeBundle(bundlePath, helpers.mapped ? spec : defaultSpec({ rootfs, args:`,
  )
  .replace(
    /const \{ stdout \} = [^]*?console\.log\(.*\n/u,
    'console.log(JSON.stringify((await runtime.waitContainer(container)).code))\n',
  )

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

it('bundles of the program and of both helpers, without node_modules', () => {
  const directory = makeTempRoot()
  const [embed, launcherPath, attachBridgePath] = [
    join(directory, 'embed.mjs'),
    join(directory, 'launcher.mjs'),
    join(directory, 'attach-bridge.mjs'),
  ]
  app.write('embed.mjs', sources.module)
  bundle('embed.mjs', embed, asModule)
  bundle('oci-supervisor/launcher', launcherPath, asModule)
  bundle('oci-supervisor/attach-bridge', attachBridgePath, asModule)
  expect(live(embed, { launcherPath, attachBridgePath })).toEqual(seen)
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

it('an ordinary user: a container with a user namespace runs, and one without is refused for that', () => {
  const directory = makeTempRoot()
  for (const name of ['rootfs', 'node_modules']) {
    cpSync(join(app.directory, name), join(directory, name), { recursive: true, verbatimSymlinks: true })
  }
  // Ours may lie where nobody else may look.
  copyFileSync(process.execPath, join(directory, 'node'))
  writeFileSync(join(directory, 'rootless.mjs'), rootless)
  app.run('chown', '-R', '65534:65534', directory)
  const live = (mapped: boolean): unknown => {
    const order = {
      directory,
      rootfs: join(directory, 'rootfs'),
      id: makeContainerId('user'),
      helpers: { mapped },
    }
    const asUser = [
      '--reuid',
      '65534',
      '--regid',
      '65534',
      '--clear-groups',
      'env',
      `XDG_RUNTIME_DIR=${directory}`,
    ]
    const program = [join(directory, 'node'), join(directory, 'rootless.mjs'), JSON.stringify(order)]
    return JSON.parse(app.run('setpriv', ...asUser, ...program))
  }
  expect(live(true)).toBe(3)
  expect(() => live(false)).toThrow(/must have one of type "user"[^]*ERR_BUNDLE/u)
})
