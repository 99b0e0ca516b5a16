import { realPatience } from '../machines/specification/patience.ts'
import { openOciHarness } from './oci-harness.ts'
import { describeSpecification } from './specification.ts'
import { factMaxMs } from '../support/eventually.ts'

describeSpecification('conmon and runc', () => ({
  harness: openOciHarness('runc'),
  patience: realPatience(factMaxMs),
}))
