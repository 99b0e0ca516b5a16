/**
 * What every implementation promises, seen through the façade and checked against the world. Run on the simulated
 * runtime, on crun and on runc; an implementation that is added joins by a file of ten lines.
 */
import { describe } from 'vitest'
import { describeAttach } from './attach.ts'
import { describeExecs } from './execs.ts'
import type { ContractHarness } from './harness.ts'
import { describeLifecycle } from './lifecycle.ts'
import { describeLogs } from './logs.ts'
import { describeMeasuring } from './measuring.ts'
import { describePorts } from './ports.ts'
import { openStage } from './stage.ts'
import { describeStopping } from './stopping.ts'
import { describeTroubles } from './troubles.ts'

export function describeContract(name: string, openHarness: () => Promise<ContractHarness>): void {
  describe(`a container on ${name}`, () => {
    const stage = openStage(openHarness)
    describeLifecycle(stage)
    describeStopping(stage)
    describeTroubles(stage)
    describeExecs(stage)
    describeAttach(stage)
    describePorts(stage)
    describeMeasuring(stage)
    describeLogs(stage)
  })
}
