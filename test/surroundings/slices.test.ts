import { describe, expect, it } from 'vitest'
import { atOnce, inSlices, type Stepwise } from '../../src/surroundings/slices.ts'

/** Work of that many steps of a millisecond each. */
function* work(steps: number, seen: (step: number) => void = () => undefined): Stepwise<string> {
  for (let step = 0; step < steps; step += 1) {
    const endMs = performance.now() + 1
    while (performance.now() < endMs);
    seen(step)
    yield
  }
  return 'done'
}

describe('work in slices', () => {
  it('lets the event loop turn between them', async () => {
    let turns = 0
    let isOver = false
    const turn = (): void => {
      turns += 1
      if (!isOver) setImmediate(turn)
    }
    setImmediate(turn)
    expect(await inSlices(work(40))).toBe('done')
    isOver = true
    // Of 4 ms each, unless this host is so busy that a step takes longer: then there are more.
    expect(turns).toBeGreaterThanOrEqual(9)
  })

  it('of several has the slices of one: no turn of the loop has more of it', async () => {
    let inTurn = 0
    let most = 0
    let isOver = false
    const turn = (): void => {
      most = Math.max(most, inTurn)
      inTurn = 0
      if (!isOver) setImmediate(turn)
    }
    setImmediate(turn)
    const many = Array.from({ length: 20 }, () => inSlices(work(10, () => (inTurn += 1))))
    expect(await Promise.all(many)).toEqual(Array(20).fill('done'))
    isOver = true
    // Two slices fit between two looks of ours.
    expect(most).toBeLessThanOrEqual(8)
  })

  it('fails as the work does', async () => {
    await expect(inSlices(failing())).rejects.toThrow(RangeError)
    expect(() => atOnce(failing())).toThrow(RangeError)
    expect(atOnce(work(3))).toBe('done')
  })
})

function* failing(): Stepwise<never> {
  yield
  throw new RangeError('no')
}
