import { describeContract } from './contract.ts'
import { openOciHarness } from './oci-harness.ts'

describeContract('conmon and runc', () => Promise.resolve(openOciHarness('runc')))
