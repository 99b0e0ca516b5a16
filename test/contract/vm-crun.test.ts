import { describeContract } from './contract.ts'
import { openVmHarness } from './vm-harness.ts'

describeContract('crun behind a shim', () => Promise.resolve(openVmHarness('crun')))
