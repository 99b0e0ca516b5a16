/** An embedder in a worker thread: a container with commands of every kind, then nothing until it is ended. */
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { parentPort, workerData } from 'node:worker_threads'
import { z } from 'zod'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle } from '../../src/index.ts'

parentPort?.once('message', () => process.exit())

const { root, id, handler, runtimePath } = z
  .object({ root: z.string(), id: z.string(), handler: z.string(), runtimePath: z.string() })
  .parse(workerData)
const runtime = await Runtime.open(
  defineConfig({
    defaultRuntime: handler,
    runtimes: { [handler]: { runtimePath } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  }),
)
const bundlePath = join(root, 'bundle')
await writeBundle(
  bundlePath,
  defaultSpec({ rootfs: join(root, 'rootfs'), args: ['/bin/sleep', '1000'], cgroupsPath: `/${id}` }),
)
const container = new Container({ id, bundlePath, stdin: true })
await runtime.createContainer(container)
await runtime.startContainer(container)
const client = await runtime.attachContainer(container, { stdout: new PassThrough().resume() })
const { stdout } = await runtime.execSyncContainer(container, ['/bin/echo', 'collected'], 60)
const streamed = await runtime.startExec(container, ['/bin/cat'], {
  stdin: PassThrough.from([Buffer.from('streamed')]),
  stdout: 'pipe',
})
let echoed = ''
for await (const chunk of streamed.stdout ?? []) echoed += String(chunk)
await streamed.exited
const terminal = await runtime.startExec(container, ['/bin/sh', '-c', 'exit 3'], {
  tty: true,
  stdin: 'pipe',
  stdout: new PassThrough().resume(),
})
const exit = await terminal.exited
client.close()
await runtime.containerStats(container)
await runtime.deleteContainer(container)
await runtime.close()
parentPort?.postMessage({ collected: stdout.toString(), echoed, exit }, [])
