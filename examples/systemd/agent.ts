/**
 * An agent under systemd: keeps one container running, and leaves it running when it is stopped, restarted or killed.
 *
 *   agent.ts CONFIG.toml BUNDLE    the unit is agent.service, the configuration agent.toml
 *
 * With `cgroup_manager = "systemd"` conmon, or a shim, is in a scope of its own, so nothing that is done to this service
 * reaches the container. The next agent takes it up with the pid that it had.
 *
 * The bundle is made once, by a program of yours:
 *   await writeBundle('/var/lib/agent/web', defaultSpec({ rootfs: '/srv/web', args: ['/bin/server'] }))
 * So is the end of the container, when the service is stopped (not by systemctl on its scopes):
 *   await (await Runtime.open(await loadConfig('/etc/agent.toml'))).shutdown()
 */
import { Container, isOciError, loadConfig, Runtime } from 'oci-supervisor'

const id = 'web'
const [configFile = '', bundlePath = ''] = process.argv.slice(2)

const leaving = new AbortController()
process.once('SIGTERM', () => leaving.abort())

const runtime = await Runtime.open(await loadConfig(configFile))
try {
  await keepRunning()
} catch (error) {
  if (!isOciError(error) || error.code !== 'ERR_ABORTED') throw error
} finally {
  // Containers go on: this ends nothing but the supervisor.
  await runtime.close()
}

/** Until the container has ended by itself; then Restart=always brings the next agent, which runs it again. */
async function keepRunning(): Promise<void> {
  const { signal } = leaving
  const found = runtime.containers.get(id)
  const hasEnded = found?.status === 'stopped'
  if (hasEnded) await runtime.deleteContainer(found, { signal })
  const web = found === undefined || hasEnded ? await create() : found
  if (web.status === 'created') await runtime.startContainer(web, { signal })
  process.stdout.write(`${found === web ? 'found' : 'started'} ${id}, pid ${web.state.pid}\n`)
  const exit = await runtime.waitContainer(web, { signal })
  process.stdout.write(`${id} has ended: ${exit.kind === 'code' ? exit.code : exit.why}\n`)
}

async function create(): Promise<Container> {
  const container = new Container({ id, bundlePath })
  await runtime.createContainer(container, undefined, { signal: leaving.signal })
  return container
}
