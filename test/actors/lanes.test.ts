import { describe, expect, it } from 'vitest'
import { createLanes } from '../../src/actors/lanes.ts'

function task(): {
  readonly run: () => Promise<void>
  readonly end: () => void
  readonly begun: () => boolean
} {
  const { promise, resolve } = Promise.withResolvers<void>()
  let hasBegun = false
  return {
    run: () => {
      hasBegun = true
      return promise
    },
    end: resolve,
    begun: () => hasBegun,
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('lanes', () => {
  it('run so many at once, the others in their order', async () => {
    const lanes = createLanes(2)
    const tasks = [task(), task(), task(), task()]
    const begun = (): boolean[] => tasks.map((one) => one.begun())
    for (const { run } of tasks) void lanes.run(run)
    expect(begun()).toEqual([false, false, false, false])
    await turn()
    expect(begun()).toEqual([true, true, false, false])
    tasks[1]?.end()
    await turn()
    expect(begun()).toEqual([true, true, true, false])
    for (const { end } of tasks) end()
    await lanes.idle()
    expect(begun()).toEqual([true, true, true, true])
  })

  it('give what a task gives, and go on after one that fails', async () => {
    const lanes = createLanes(1)
    const failing = lanes.run(() => Promise.reject(new Error('no')))
    const giving = lanes.run(() => Promise.resolve(7))
    await expect(failing).rejects.toThrow('no')
    expect(await giving).toBe(7)
    expect(await lanes.run(() => Promise.resolve(8))).toBe(8)
  })

  it('are idle when nothing runs or waits, and not before', async () => {
    const lanes = createLanes(1)
    await lanes.idle()
    const [one, other] = [task(), task()]
    void lanes.run(one.run)
    void lanes.run(other.run)
    let isIdle = false
    const idle = lanes.idle().then(() => (isIdle = true))
    one.end()
    await turn()
    expect(isIdle).toBe(false)
    other.end()
    await idle
    expect(isIdle).toBe(true)
  })
})
