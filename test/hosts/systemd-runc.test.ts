import { openOciHarness } from '../contract/oci-harness.ts'
import { describeContract } from '../contract/contract.ts'

describeContract('conmon and runc, with cgroups by systemd', () =>
  Promise.resolve(openOciHarness('runc', 'systemd')),
)
