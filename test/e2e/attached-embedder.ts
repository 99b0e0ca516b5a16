/**
 * An embedder that attaches a client to a container and leaves its runtime open: it ends when nothing keeps it alive.
 * Arguments: a directory, the container's id, the runtime's name and path, and `ended` if it awaits the client's end.
 */
import { join } from 'node:path'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle } from '../../src/index.ts'

const [root = '', id = '', handler = '', runtimePath = '', waitsFor] = process.argv.slice(2)

const runtime = await Runtime.open(
  defineConfig({
    defaultRuntime: handler,
    runtimes: { [handler]: { runtimePath } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  }),
)
const bundlePath = join(root, 'bundle')
const args = ['/bin/sleep', waitsFor === 'ended' ? '0.5' : '1000']
await writeBundle(bundlePath, defaultSpec({ rootfs: join(root, 'rootfs'), args, cgroupsPath: `/${id}` }))
const container = new Container({ id, bundlePath })
await runtime.createContainer(container)
const session = await runtime.attachContainer(container)
await runtime.startContainer(container)
if (waitsFor === 'ended') process.stdout.write(`${(await session.ended).reason}\n`)
process.stdout.write('the last line\n')
