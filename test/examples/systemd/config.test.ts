import { expect, it } from 'vitest'
import { loadConfig } from '../../../src/index.ts'

it('the configuration of the example under systemd has systemd make the cgroups', async () => {
  const config = await loadConfig('examples/systemd/agent.toml')
  expect(config).toMatchObject({
    cgroupManager: 'systemd',
    defaultRuntime: 'crun',
    runtimes: { crun: { runtimePath: '/usr/bin/crun' } },
  })
})
