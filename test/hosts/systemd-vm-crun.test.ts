import { openVmHarness } from '../contract/vm-harness.ts'
import { describeContract } from '../contract/contract.ts'

describeContract("containerd's shim and crun, with cgroups by systemd", () =>
  Promise.resolve(openVmHarness('crun', 'systemd')),
)
