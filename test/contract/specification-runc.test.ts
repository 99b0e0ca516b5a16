import { realPatience } from '../machines/specification/patience.ts'
import { openOciHarness } from './oci-harness.ts'
import { describeSpecification } from './specification.ts'

describeSpecification('conmon and runc', () => ({
  harness: openOciHarness('runc'),
  patience: realPatience(15_000),
}))
