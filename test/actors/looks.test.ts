import { describe, expect, it } from 'vitest'
import { Looks } from '../../src/actors/look.ts'

/** Looks that end when the test says so. */
function stage() {
  const begun: PromiseWithResolvers<void>[] = []
  const looks = new Looks(() => {
    const look = Promise.withResolvers<void>()
    begun.push(look)
    return look.promise
  })
  return { begun, looks }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

describe('looks at a container', () => {
  it('come one after the other, and who asks during one shares the next', async () => {
    const { begun, looks } = stage()
    const first = looks.ask()
    const [second, third] = [looks.ask(), looks.ask()]
    await turn()
    expect([begun.length, third === second]).toEqual([1, true])
    begun[0]?.resolve()
    await first
    await turn()
    expect(begun).toHaveLength(2)
    const fourth = looks.ask()
    expect(fourth).not.toBe(second)
    begun[1]?.resolve()
    await second
    await turn()
    begun[2]?.resolve()
    await fourth
    expect(begun).toHaveLength(3)
  })

  it('begin at once where none is under way, however the last one ended', async () => {
    const { begun, looks } = stage()
    const first = looks.ask()
    const second = looks.ask()
    begun[0]?.reject(new Error('EIO'))
    await expect(first).rejects.toThrow('EIO')
    await turn()
    expect(begun).toHaveLength(2)
    begun[1]?.resolve()
    await second
    const third = looks.ask()
    expect(begun).toHaveLength(3)
    begun[2]?.resolve()
    await third
  })
})
