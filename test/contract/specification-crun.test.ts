import { realPatience } from '../machines/specification/patience.ts'
import { openOciHarness } from './oci-harness.ts'
import { describeSpecification } from './specification.ts'
import { factMaxMs } from '../support/eventually.ts'

describeSpecification('conmon and crun', () => ({
  harness: openOciHarness('crun'),
  patience: realPatience(factMaxMs),
}))
