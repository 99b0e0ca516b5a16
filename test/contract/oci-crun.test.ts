import { describeContract } from './contract.ts'
import { openOciHarness } from './oci-harness.ts'

describeContract('conmon and crun', () => Promise.resolve(openOciHarness('crun')))
