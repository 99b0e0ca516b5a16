import { describeContract } from './contract.ts'
import { openVmHarness } from './vm-harness.ts'

describeContract('runc behind a shim', () => Promise.resolve(openVmHarness('runc')))
