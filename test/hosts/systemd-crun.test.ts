import { openOciHarness } from '../contract/oci-harness.ts'
import { describeContract } from '../contract/contract.ts'

describeContract('conmon and crun, with cgroups by systemd', () =>
  Promise.resolve(openOciHarness('crun', 'systemd')),
)
