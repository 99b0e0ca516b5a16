/**
 * A supervisor to be killed while commands run in a container behind a shim; it says so by a line. Arguments: a directory,
 * a bundle, the container's id, and a word that the commands have among their arguments.
 */
import { join } from 'node:path'
import { Container, defineConfig, Runtime } from '../../src/index.ts'

const [root = '', bundlePath = '', id = '', mark = ''] = process.argv.slice(2)

const handler = { runtimePath: '/usr/bin/containerd-shim-runc-v2', ociRuntimePath: '/usr/sbin/runc' }
const runtime = await Runtime.open(
  defineConfig({
    defaultRuntime: 'shim',
    runtimes: { shim: { runtimeType: 'vm', ...handler } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  }),
)
const container = new Container({ id, bundlePath })
await runtime.createContainer(container)
await runtime.startContainer(container)
const loop = `while :; do sleep 0.05; done; : ${mark}`
const script = `sh -c '${loop}' & echo begun; sh -c '${loop}'`
for (const onDisconnect of ['kill', 'leave'] as const) {
  const exec = await runtime.startExec(container, ['/bin/sh', '-c', script], {
    stdin: 'pipe',
    stdout: 'pipe',
    onDisconnect,
  })
  await new Promise((resolve) => exec.stdout?.once('data', resolve))
}
process.stdout.write('ready\n')
setInterval(() => undefined, 1000)
