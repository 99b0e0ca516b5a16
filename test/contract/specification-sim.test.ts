import { SimulatedClock } from '../../src/testing.ts'
import { simulatedPatience } from '../machines/specification/patience.ts'
import { openSimHarness } from './sim-harness.ts'
import { describeSpecification } from './specification.ts'

describeSpecification('the simulated runtime', () => {
  const clock = new SimulatedClock()
  return { harness: openSimHarness({ clock }), patience: simulatedPatience(clock, 60_000) }
})
