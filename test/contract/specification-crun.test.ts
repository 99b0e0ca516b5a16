import { realPatience } from '../machines/specification/patience.ts'
import { openOciHarness } from './oci-harness.ts'
import { describeSpecification } from './specification.ts'

describeSpecification('conmon and crun', () => ({
  harness: openOciHarness('crun'),
  patience: realPatience(15_000),
}))
