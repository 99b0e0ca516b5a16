/** The example service of examples/systemd: its container outlives what is done to it, behind conmon and behind a shim. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultSpec, loadConfig, Runtime, writeBundle } from '../../src/index.ts'
import { processState, readIdentitySync } from '../../src/impl/process-identity.ts'
import type { ProcessIdentity } from '../../src/impl/runtime-impl.ts'
import { until } from '../e2e/oci-host.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeTempRoot } from '../support/temp-root.ts'
import { property, scopesNaming, systemctl } from './systemd-host.ts'

const examples = join(import.meta.dirname, '../../examples/systemd')
const unit = 'oci-agent-test.service'
const unitFile = `/run/systemd/system/${unit}`
const dropIns = `${unitFile}.d`
const killAgent = () => systemctl('kill', '--kill-whom=main', '--signal=KILL', unit)

const conmon = `[crio.runtime.runtimes.crun]
runtime_path = "/usr/bin/crun"`
const shim = `[crio.runtime.runtimes.crun]
runtime_type = "vm"
runtime_path = "/usr/bin/containerd-shim-runc-v2"
oci_runtime_path = "/usr/bin/crun"`

describe.each([
  ['conmon', conmon, /^crio-conmon-web\.scope$/],
  ['a shim', shim, /^containerd-shim-web-\d+\.scope$/],
])('a container behind %s', (_, handler, monitorScope) => {
  const root = makeTempRoot()
  const output = join(root, 'output')
  const configFile = join(root, 'agent.toml')
  const lines = (): string[] => readFileSync(output, 'utf8').split('\n').filter(Boolean)
  let init: ProcessIdentity
  const theSame = () => `found web, pid ${init.pid}`

  /** What the unit of the example cannot know: where everything is here. */
  function configure(killMode: string): void {
    const settings = [
      '[Service]',
      'ExecStart=',
      `ExecStart=${process.execPath} ${examples}/agent.ts ${configFile} ${root}/web`,
      // Starting a Node is what takes long here.
      `Environment=NODE_COMPILE_CACHE=${process.env['NODE_COMPILE_CACHE'] ?? ''}`,
      `StandardOutput=append:${output}`,
      `StandardError=append:${output}.errors`,
      `KillMode=${killMode}`,
    ]
    writeFileSync(`${dropIns}/test.conf`, `${settings.join('\n')}\n`)
    systemctl('daemon-reload')
  }

  /** What the next agent says: that it has found the container, with the process that it has had all along. */
  async function wordsOfNextAgent(done: () => void): Promise<string | undefined> {
    const { length } = lines()
    done()
    await until('the next agent has found the container', () => lines().length > length)
    return lines().at(-1)
  }

  beforeAll(async () => {
    const rootfs = makeRootfs(root)
    const cgroupsPath = 'system.slice:test:web'
    await writeBundle(join(root, 'web'), defaultSpec({ rootfs, args: ['/bin/sleep', '10000'], cgroupsPath }))
    writeFileSync(
      configFile,
      `[oci-supervisor]
run_dir = "${root}/run"
state_dir = "${root}/state"
[crio.runtime]
cgroup_manager = "systemd"
${handler}
`,
    )
    writeFileSync(output, '')
    mkdirSync(dropIns, { recursive: true })
    writeFileSync(unitFile, readFileSync(join(examples, 'agent.service')))
    configure('process')
    systemctl('start', unit)
    await until('the container runs', () => lines().length === 1).catch((error: unknown) => {
      throw new Error(`the agent said: ${readFileSync(`${output}.errors`, 'utf8')}`, { cause: error })
    })
    const found = readIdentitySync(Number(/^started web, pid (\d+)$/.exec(lines()[0] ?? '')?.[1]))
    if (found === undefined) throw new Error(`the container does not run: ${lines().join()}`)
    init = found
  })

  afterAll(async () => {
    systemctl('stop', unit)
    const runtime = await Runtime.open(await loadConfig(configFile))
    const web = runtime.containers.get('web')
    if (web !== undefined) await runtime.deleteContainer(web)
    await runtime.close()
    rmSync(unitFile)
    rmSync(dropIns, { recursive: true })
    systemctl('daemon-reload')
  })

  it.each(['process', 'mixed', 'control-group'])(
    'survives the restart of its service with KillMode=%s',
    async (killMode) => {
      configure(killMode)
      expect(await wordsOfNextAgent(() => systemctl('restart', unit))).toBe(theSame())
      expect(processState(init)).toBe('alive')
    },
  )

  it('survives that its agent is killed', async () => {
    expect(await wordsOfNextAgent(killAgent)).toBe(theSame())
    expect(processState(init)).toBe('alive')
  })

  it('survives the end of the service, and so does its monitor', () => {
    systemctl('stop', unit)
    expect(property(unit, 'ActiveState')).toBe('inactive')
    expect(processState(init)).toBe('alive')
    const scopes = scopesNaming('-web').filter((name) => monitorScope.test(name))
    expect(scopes).toHaveLength(1)
  })
})
