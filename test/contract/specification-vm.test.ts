import { realPatience } from '../machines/specification/patience.ts'
import { describeSpecification } from './specification.ts'
import { openVmHarness } from './vm-harness.ts'
import { factMaxMs } from '../support/eventually.ts'

describeSpecification('runc behind a shim', () => ({
  harness: openVmHarness('runc'),
  patience: realPatience(factMaxMs),
}))
