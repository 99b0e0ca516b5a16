import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createActor, createMachine } from 'xstate'
import { SimulatedClock } from '../../../src/testing.ts'

const laterTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

describe('SimulatedClock', () => {
  it('fires nothing until it is advanced, not even what is due in 0 ms', async () => {
    const clock = new SimulatedClock()
    const fired: string[] = []
    clock.setTimeout(() => fired.push('now'), 0)
    await clock.settle()
    expect(fired).toEqual([])
    await clock.advance(0)
    expect(fired).toEqual(['now'])
  })

  it('fires timers by due time, those due together in the order they were set', async () => {
    const clock = new SimulatedClock()
    const fired: string[] = []
    const note = (name: string) => () => fired.push(`${name}@${clock.now()}`)
    clock.setTimeout(note('c'), 20)
    clock.setTimeout(note('a'), 10)
    clock.setTimeout(note('b'), 10)
    clock.setTimeout(note('d'), 31)
    await clock.advance(30)
    expect(fired).toEqual(['a@10', 'b@10', 'c@20'])
    expect(clock.now()).toBe(30)
    expect(clock.pending).toBe(1)
  })

  it('lets promise chains, ticks and immediates of one timer settle before the next fires', async () => {
    const clock = new SimulatedClock()
    const steps: string[] = []
    clock.setTimeout(() => {
      void (async () => {
        for (let i = 0; i < 50; i++) await Promise.resolve()
        await laterTurn()
        await laterTurn()
        await new Promise<void>((resolve) => {
          process.nextTick(resolve)
        })
        steps.push(`first over at ${clock.now()}`)
      })()
    }, 10)
    clock.setTimeout(() => steps.push('second'), 11)
    await clock.advance(100)
    expect(steps).toEqual(['first over at 10', 'second'])
  })

  it('waits for file operations under way before it moves on', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sim-clock-'))
    try {
      const clock = new SimulatedClock()
      const steps: string[] = []
      clock.setTimeout(() => {
        void (async () => {
          const file = await open(join(directory, 'state'), 'w')
          await file.write(Buffer.alloc(4_000_000))
          await file.sync()
          await file.close()
          steps.push(`written at ${clock.now()}`)
        })()
      }, 10)
      clock.setTimeout(() => steps.push('timeout'), 11)
      await clock.advance(11)
      expect(steps).toEqual(['written at 10', 'timeout'])
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it('fires timers that were set while it advances', async () => {
    const clock = new SimulatedClock()
    const fired: number[] = []
    const tick = (): void => {
      fired.push(clock.now())
      clock.setTimeout(tick, 10)
    }
    clock.setTimeout(tick, 10)
    await clock.advance(35)
    expect(fired).toEqual([10, 20, 30])
  })

  it('does not fire a timer that was cleared, also by one that is due at the same time', async () => {
    const clock = new SimulatedClock()
    const fired: string[] = []
    clock.setTimeout(() => {
      clock.clearTimeout(second)
    }, 5)
    const second = clock.setTimeout(() => fired.push('second'), 5)
    await clock.advance(5)
    expect(fired).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('fires a timer that is too long for Node at once, as Node does', async () => {
    const clock = new SimulatedClock()
    const fired: number[] = []
    clock.setTimeout(() => fired.push(clock.now()), 2 ** 31)
    clock.setTimeout(() => fired.push(clock.now()), Number.POSITIVE_INFINITY)
    await clock.advance(1)
    expect(fired).toEqual([1, 1])
  })

  it('runs advances that overlap one after the other', async () => {
    const clock = new SimulatedClock()
    const ends: number[] = []
    await Promise.all([
      clock.advance(10).then(() => ends.push(clock.now())),
      clock.advance(5).then(() => ends.push(clock.now())),
    ])
    expect(ends).toEqual([10, 15])
  })

  it('refuses to go back, and goes on after what a timer throws', async () => {
    const clock = new SimulatedClock()
    await expect(clock.advance(-1)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'ms' })
    await expect(clock.advance(Number.NaN)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    clock.setTimeout(() => {
      throw new RangeError('thrown by the timer')
    }, 1)
    await expect(clock.advance(5)).rejects.toThrow('thrown by the timer')
    await clock.advance(5)
    expect(clock.now()).toBe(6)
  })

  it('tells the wall clock from its epoch', async () => {
    const clock = new SimulatedClock({ epoch: new Date('2024-02-28T23:59:59Z') })
    await clock.advance(1500)
    expect(clock.timestamp()).toBe('2024-02-29T00:00:00.500000000Z')
  })

  describe('runUntil', () => {
    it('advances as far as the promise needs, and no further', async () => {
      const clock = new SimulatedClock()
      clock.setTimeout(() => undefined, 100_000)
      const promise = new Promise<string>((resolve) => {
        clock.setTimeout(() => clock.setTimeout(() => resolve('done'), 20_000), 10_000)
      })
      expect(await clock.runUntil(promise)).toBe('done')
      expect(clock.now()).toBe(30_000)
    })

    it('rejects as the promise does', async () => {
      const clock = new SimulatedClock()
      const promise = new Promise((_, reject) => {
        clock.setTimeout(() => {
          reject(new RangeError('in vain'))
        }, 10)
      })
      await expect(clock.runUntil(promise)).rejects.toThrow('in vain')
    })

    it('says so when no timer is left, or none within its limit', async () => {
      const clock = new SimulatedClock()
      const never = new Promise<void>(() => undefined)
      await expect(clock.runUntil(never)).rejects.toMatchObject({ code: 'ERR_TIMEOUT' })
      clock.setTimeout(() => undefined, 5001)
      await expect(clock.runUntil(never, { withinMs: 5000 })).rejects.toMatchObject({ code: 'ERR_TIMEOUT' })
      expect(clock.pending).toBe(1)
    })
  })

  it('drives the delays of an XState actor', async () => {
    const clock = new SimulatedClock()
    const machine = createMachine({
      initial: 'waiting',
      states: { waiting: { after: { 60_000: 'over' } }, over: {} },
    })
    const actor = createActor(machine, { clock }).start()
    await clock.advance(59_999)
    expect(actor.getSnapshot().value).toBe('waiting')
    await clock.advance(1)
    expect(actor.getSnapshot().value).toBe('over')
    actor.stop()
  })
})
