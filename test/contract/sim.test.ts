import { describeContract } from './contract.ts'
import { openSimHarness } from './sim-harness.ts'

describeContract('the simulated runtime', () => Promise.resolve(openSimHarness()))
