/**
 * An embedder of its own process, for proofs of what it hands down: a container from create to delete, told as a line of
 * JSON. Arguments: a directory, the container's id, the runtime's name and path. It goes on when it reads a line.
 */
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle } from '../../src/index.ts'

const [root = '', id = '', handler = '', runtimePath = ''] = process.argv.slice(2)

const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const tell = (fact: object): boolean => process.stdout.write(`${JSON.stringify(fact)}\n`)

const runtime = await Runtime.open(
  defineConfig({
    defaultRuntime: handler,
    runtimes: { [handler]: { runtimePath, monitorEnv: ['DECLARED=yes'] } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  }),
)
const bundlePath = join(root, 'bundle')
const spec = defaultSpec({
  rootfs: join(root, 'rootfs'),
  args: ['/bin/sleep', '1000'],
  env: { OWN: 'yes' },
  cgroupsPath: `/${id}`,
})
if (spec.process !== undefined) {
  // What the spec does not set is what the runtime inherited.
  delete spec.process.rlimits
  spec.process.oomScoreAdj = 500
}
await writeBundle(bundlePath, spec)
const container = new Container({ id, bundlePath })
await runtime.createContainer(container)
await runtime.startContainer(container)
await runtime.pauseContainer(container)
await runtime.unpauseContainer(container)
await runtime.updateContainerStatus(container)
tell({ pid: container.state.pid })
await told.next()
await runtime.deleteContainer(container)
await runtime.close()
process.stdin.destroy()
