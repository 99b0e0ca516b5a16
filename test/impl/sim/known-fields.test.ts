import { describe, expect, it } from 'vitest'
import { SimulatedRuntime, type SimulatedFault, type SimulatedProgram } from '../../../src/testing.ts'

/** As JavaScript writes it, without types. */
function misspelt(value: object): SimulatedProgram & SimulatedFault {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what TypeScript would refuse
  return value as SimulatedProgram & SimulatedFault
}

describe('what a test misspells', () => {
  it.each([
    [{ runsFor: 5 }, 'runsFor'],
    [{ usage: { cpu: 5 } }, 'usage.cpu'],
    [{ output: [{ stdoutt: 'a' }] }, 'output.0.stdoutt'],
    [{ onTerm: { exitcode: 1 } }, 'onTerm.exitcode'],
  ])('in a program is refused by name: %j', (program, field) => {
    const sim = new SimulatedRuntime()
    expect(() => sim.program('c', misspelt(program))).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field }),
    )
  })

  it('in a fault is refused by name, with what is known', () => {
    const sim = new SimulatedRuntime()
    const fault = misspelt({ effect: 'start', fault: 'fail', delay: 5 })
    expect(() => sim.inject('c', fault)).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARGUMENT',
        field: 'delay',
        message: 'delay is no field of a fault; it may have effect, fault, times, error, delayMs',
      }),
    )
  })
})
