import { describe, expect, it } from 'vitest'
import { Sampling } from '../../src/impl/sampling.ts'

const second = 1_000_000_000n
const noAge = () => 0n
const at = (seconds: number, usedSeconds: number, ageNano = noAge) => ({
  cpuNano: BigInt(Math.round(usedSeconds * 1000)) * 1_000_000n,
  atNano: BigInt(Math.round(seconds * 1000)) * 1_000_000n,
  ageNano,
})

describe('CPU percent', () => {
  it('is of one CPU, between one sample and the next', () => {
    const sampling = new Sampling()
    sampling.cpuPercent('a', at(100, 7))
    expect(sampling.cpuPercent('a', at(110, 12))).toBe(50)
    expect(sampling.cpuPercent('a', at(120, 32))).toBe(200)
    expect(sampling.cpuPercent('a', at(130, 32))).toBe(0)
  })

  it('is the mean since the start in the first sample, and none when that is not known', () => {
    const sampling = new Sampling()
    expect(
      sampling.cpuPercent(
        'a',
        at(100, 5, () => 20n * second),
      ),
    ).toBe(25)
    expect(sampling.cpuPercent('b', at(100, 5))).toBe(0)
  })

  it('is repeated for a sample that comes too soon, and then counted from the one before', () => {
    const sampling = new Sampling()
    sampling.cpuPercent('a', at(100, 0))
    expect(sampling.cpuPercent('a', at(101, 1))).toBe(100)
    expect(sampling.cpuPercent('a', at(101.05, 1))).toBe(100)
    expect(sampling.cpuPercent('a', at(102, 1))).toBe(0)
  })

  it('begins anew when the container is forgotten, or when its counter is lower than it was', () => {
    const sampling = new Sampling()
    sampling.cpuPercent('a', at(100, 50))
    sampling.forget('a')
    expect(
      sampling.cpuPercent(
        'a',
        at(110, 60, () => 100n * second),
      ),
    ).toBe(60)
    expect(
      sampling.cpuPercent(
        'a',
        at(120, 1, () => 2n * second),
      ),
    ).toBe(50)
  })

  it('is remembered of ten thousand containers, those that were sampled last', () => {
    const sampling = new Sampling()
    for (let number = 0; number < 10_000; number += 1) sampling.cpuPercent(`c${number}`, at(100, 0))
    sampling.cpuPercent('c0', at(101, 0))
    sampling.cpuPercent('one more', at(101, 0))
    expect(sampling.cpuPercent('c0', at(102, 1))).toBe(100)
    expect(sampling.cpuPercent('c1', at(110, 1))).toBe(0)
  })
})

describe('samples', () => {
  it('are taken two at a time, in the order they were asked for, whether they fail or not', async () => {
    const sampling = new Sampling()
    const order: number[] = []
    const open: (() => void)[] = []
    let most = 0
    let now = 0
    const all = [0, 1, 2, 3, 4].map((number) =>
      sampling.inTurn(async () => {
        order.push(number)
        now += 1
        most = Math.max(most, now)
        await new Promise<void>((resolve) => {
          open.push(resolve)
        })
        now -= 1
        if (number % 2 === 0) throw new Error(`${number}`)
      }),
    )
    const settled = Promise.allSettled(all)
    while (order.length < 5 || open.length > 0) {
      open.shift()?.()
      await new Promise(setImmediate)
    }
    expect((await settled).map(({ status }) => status)).toEqual([
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
    ])
    expect(order).toEqual([0, 1, 2, 3, 4])
    expect(most).toBe(2)
  })

  it('are refused when too many wait', async () => {
    const sampling = new Sampling()
    let release: (() => void) | undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const taken = Array.from({ length: 20_002 }, () => sampling.inTurn(() => held))
    await expect(sampling.inTurn(() => held)).rejects.toMatchObject({ code: 'ERR_BUSY' })
    release?.()
    await Promise.all(taken)
    await expect(sampling.inTurn(() => Promise.resolve(1))).resolves.toBe(1)
  })
})
