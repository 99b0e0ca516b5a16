/**
 * An embedder that has no descriptor left when it stops a container that ignores TERM. Arguments: a directory, the
 * container's id, the runtime's name and path. It says its facts as lines of JSON, and goes on when it reads a line.
 */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle } from '../../src/index.ts'

const [root = '', id = '', handler = '', runtimePath = ''] = process.argv.slice(2)
const commands = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const report = (fact: object): boolean => process.stdout.write(`${JSON.stringify(fact)}\n`)

function takeAllDescriptors(): readonly number[] {
  const taken: number[] = []
  for (;;) {
    try {
      taken.push(openSync('/dev/null', 'r'))
    } catch {
      return taken
    }
  }
}

const runtime = await Runtime.open(
  defineConfig({
    defaultRuntime: handler,
    runtimes: { [handler]: { runtimePath } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  }),
)
const bundlePath = join(root, 'bundle')
const args = ['/bin/sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 1; done']
await writeBundle(bundlePath, defaultSpec({ rootfs: join(root, 'rootfs'), args }))
const container = new Container({ id, bundlePath })
await runtime.createContainer(container)
await runtime.startContainer(container)
const taken = takeAllDescriptors()
report({ pid: container.state.pid, taken: taken.length })
const stopping = runtime.stopContainer(container, 0.2)
await commands.next()
for (const fd of taken) closeSync(fd)
await stopping
report({ exit: container.state.exit })
await runtime.deleteContainer(container)
await runtime.close()
process.stdin.destroy()
