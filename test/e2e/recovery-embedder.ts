/**
 * A supervisor to be killed: brings containers to the places of their lives, says so in a line of JSON, and waits.
 * Arguments: a directory, the runtime's name and path, a prefix of ids.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle } from '../../src/index.ts'
import { patience } from '../support/patience.ts'

const [root = '', handler = '', runtimePath = '', prefix = ''] = process.argv.slice(2)

const runtime = await Runtime.open(
  defineConfig({
    defaultRuntime: handler,
    runtimes: { [handler]: { runtimePath } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  }),
)
const pids: Record<string, number> = {}

async function created(name: string, args: string[]): Promise<Container> {
  const id = `${prefix}${name}`
  const bundlePath = join(root, id)
  const rootfs = join(root, 'rootfs')
  await writeBundle(bundlePath, defaultSpec({ rootfs, args, cgroupsPath: `/${id}` }))
  const container = new Container({ id, bundlePath, labels: { place: name } })
  await runtime.createContainer(container)
  pids[name] = container.state.pid
  return container
}

async function started(name: string, script: string): Promise<Container> {
  const container = await created(name, ['/bin/sh', '-c', script])
  await runtime.startContainer(container)
  return container
}

const untilKilled = 'trap "exit 7" TERM; while true; do sleep 0.1; done'
await created('created', ['/bin/sleep', '1000'])
await started('running', untilKilled)
await runtime.pauseContainer(await started('paused', untilKilled))
const stopped = await started('stopped', 'exit 5')
await runtime.waitContainer(stopped)
// It ends while nobody is there to see it.
await started('ends', `while [ ! -e /gone-${prefix} ]; do sleep 0.05; done; exit 9`)
const trapped = join(root, 'rootfs', `trapped-${prefix}`)
const stopping = await started(
  'stopping',
  `trap "" TERM; : > /trapped-${prefix}; while true; do sleep 0.1; done`,
)
const execing = await started('execing', untilKilled)
void runtime.execSyncContainer(execing, ['/bin/sleep', '1001']).catch(() => undefined)
// Its trap must stand, or TERM ends it.
while (!existsSync(trapped)) await delay(5)
const requestedAtMs = Date.now()
// Longer than the next supervisor takes to open.
void runtime.stopContainer(stopping, patience(20)).catch(() => undefined)
while (!readFileSync(stopping.statePath, 'utf8').includes('"requestedAt"')) await delay(5)
writeFileSync(join(root, 'pids.json'), JSON.stringify({ pids, requestedAtMs }))
process.stdout.write('ready\n')
setInterval(() => undefined, 1000)
