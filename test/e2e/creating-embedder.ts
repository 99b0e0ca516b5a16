/**
 * A supervisor to be killed while it creates containers, all at once: says so in a line, and waits. Arguments: a directory,
 * the runtime's name and path, a prefix of ids, how many.
 */
import { join } from 'node:path'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle } from '../../src/index.ts'

const [root = '', handler = '', runtimePath = '', prefix = '', count = '0'] = process.argv.slice(2)

const runtime = await Runtime.open(
  defineConfig({
    defaultRuntime: handler,
    runtimes: { [handler]: { runtimePath } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  }),
)
const containers = await Promise.all(
  Array.from({ length: Number(count) }, async (_, index) => {
    const id = `${prefix}${index}`
    const bundlePath = join(root, id)
    const args = ['/bin/sleep', '1000']
    await writeBundle(bundlePath, defaultSpec({ rootfs: join(root, 'rootfs'), args, cgroupsPath: `/${id}` }))
    return new Container({ id, bundlePath })
  }),
)
process.stdout.write('creating\n')
void Promise.all(containers.map((container) => runtime.createContainer(container))).catch(() => undefined)
setInterval(() => undefined, 1000)
