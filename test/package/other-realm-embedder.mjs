/** What an embedder does that a realm could get wrong. Prints what it got as JSON. Argument: an empty directory. */
import { readFileSync } from 'node:fs'
import {
  Container,
  defaultSpec,
  defineConfig,
  isOciError,
  joinLogLines,
  loadConfig,
  readContainerLog,
  Runtime,
  writeBundle,
} from 'oci-supervisor'
import { SimulatedRuntime } from 'oci-supervisor/testing'

const directory = process.argv[3]
const told = {}
const codeOf = async (attempt) => {
  try {
    await attempt()
    return 'no error'
  } catch (error) {
    return isOciError(error) && error instanceof Error
      ? `${error.code} ${error.message}`
      : `no OciError: ${String(error)}`
  }
}

const bundlePath = `${directory}/new/bundle`
await writeBundle(bundlePath, defaultSpec({ rootfs: '/tmp', args: ['/bin/true'] }))
told.args = JSON.parse(readFileSync(`${bundlePath}/config.json`, 'utf8')).process.args

told.noConfig = await codeOf(() => loadConfig(`${directory}/nothing.toml`))
told.noLog = await codeOf(async () => {
  for await (const entry of joinLogLines(readContainerLog(`${directory}/nothing.log`))) told.entry = entry
})

const config = defineConfig({
  defaultRuntime: 'sim',
  runtimes: { sim: { runtimeType: 'sim' } },
  stateDir: `${directory}/state`,
})
let sim = new SimulatedRuntime()
sim.command('c', '/bin/bytes', { output: new Uint8Array([104, 105]) })
sim.command('c', '/bin/throws', () => {
  throw new TypeError('a bug of the command')
})
const open = () => Runtime.open(config, { implementations: { sim: () => sim } })
const first = await open()
told.second = await codeOf(open)
const container = new Container({ id: 'c', bundlePath, createdAt: new Date(0) })
told.created = container.createdAt.toISOString()
await first.createContainer(container)
await first.startContainer(container)
const run = (command) => first.execSyncContainer(container, [command])
told.bytes = String((await run('/bin/bytes')).stdout)
told.thrown = String((await run('/bin/throws')).stderr).split('\n')[0]
const controller = new AbortController()
const waiting = codeOf(() => first.waitContainer(container, { signal: controller.signal }))
controller.abort()
told.aborted = await waiting
told.stranger = await codeOf(() => first.startContainer(new Container({ id: 'd', bundlePath })))
await first.close()
sim = sim.reopen()
const second = await open()
told.phase = second.containers.get('c').phase
await second.deleteContainer(second.containers.get('c'))
await second.close()
process.stdout.write(`${JSON.stringify(told)}\n`)
