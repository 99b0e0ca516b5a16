import { realPatience } from '../machines/specification/patience.ts'
import { describeSpecification } from './specification.ts'
import { openVmHarness } from './vm-harness.ts'

describeSpecification('runc behind a shim', () => ({
  harness: openVmHarness('runc'),
  patience: realPatience(15_000),
}))
