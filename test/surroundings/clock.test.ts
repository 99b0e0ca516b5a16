import { describe, expect, it } from 'vitest'
import { systemClock, waitingClock, type Clock } from '../../src/surroundings/clock.ts'
import { connected, stall } from '../support/stall.ts'

describe.each<[string, Clock]>([
  ['the system clock', systemClock],
  ['the clock of waits', waitingClock],
])('a timer of %s', (_, clock) => {
  it('that is up after a stall comes after the answer that has arrived meanwhile', async () => {
    const { near, far } = await connected()
    const order: string[] = []
    near.on('data', () => order.push('answer'))
    const { promise: late, resolve } = Promise.withResolvers<void>()
    // From a turn's end, so that the next thing that runs is a timer.
    setImmediate(() => {
      far.write('answer')
      clock.setTimeout(() => {
        order.push('limit')
        resolve()
      }, 5)
      stall(50)
    })
    await late
    expect(order).toEqual(['answer', 'limit'])
  })

  it('is cleared also when it is up and has not run', async () => {
    const ran: string[] = []
    const { promise: over, resolve } = Promise.withResolvers<void>()
    // Set first, so up first; its callback has yet to run then.
    const timer = clock.setTimeout(() => ran.push('cleared'), 1)
    setTimeout(() => {
      clock.clearTimeout(timer)
      setImmediate(() => setImmediate(resolve))
    }, 1)
    stall(20)
    await over
    expect(ran).toEqual([])
  })
})
