/**
 * An agent under systemd: keeps one container running, and leaves it running when it is stopped, restarted or killed.
 *
 *   agent.ts CONFIG.toml BUNDLE    the unit is agent.service
 *
 * With `cgroup_manager = "systemd"` conmon is in a scope of its own, so nothing that is done to this service reaches the
 * container. The next agent takes it up with the pid that it had.
 */
import { Container, loadConfig, Runtime } from 'oci-supervisor'

const id = 'web'
const [configFile = '', bundlePath = ''] = process.argv.slice(2)

const runtime = await Runtime.open(await loadConfig(configFile))
process.once('SIGTERM', () => void leave())

const found = runtime.containers.get(id)
if (found?.status === 'stopped') await runtime.deleteContainer(found)
const web = found === undefined || found.status === 'stopped' ? await create() : found
if (web.status === 'created') await runtime.startContainer(web)
process.stdout.write(`${found === web ? 'found' : 'started'} ${id}, pid ${web.state.pid}\n`)

const exit = await runtime.waitContainer(web)
process.stdout.write(`${id} has ended: ${exit.kind === 'code' ? exit.code : exit.why}\n`)
// Restart=always brings the next agent, which runs it again.
await leave()

async function create(): Promise<Container> {
  const container = new Container({ id, bundlePath })
  await runtime.createContainer(container)
  return container
}

/** Containers go on: `close` ends nothing but this supervisor. */
async function leave(): Promise<void> {
  await runtime.close()
  process.exit()
}
