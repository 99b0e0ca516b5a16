import { describe, expect, it } from 'vitest'
import { createLanes } from '../../src/actors/lanes.ts'
import { StateRecorder } from '../../src/actors/state-recorder.ts'
import { Container } from '../../src/container.ts'
import { emptyOwnRecord } from '../../src/store/state-record.ts'
import { SimulatedClock } from '../../src/testing.ts'
import { refusalOf } from '../runtime/stage.ts'

/** A recorder whose disk refuses until it is told otherwise. */
function stage({ lanesMax = 2 } = {}) {
  const clock = new SimulatedClock()
  const outcomes: string[] = []
  const disk = { refuses: true, writes: 0 }
  const gate = { opened: Promise.resolve() }
  const written: (string | undefined)[] = []
  const lanes = createLanes(lanesMax)
  const recorder = new StateRecorder({
    containerId: 'c1',
    write: async ({ own }) => {
      disk.writes += 1
      if (disk.refuses) throw new Error('EIO')
      await gate.opened
      written.push(own.handler)
    },
    lanes,
    clock,
    writeTimeoutMs: 1000,
    onOutcome: (error) => outcomes.push(error?.code ?? 'written'),
  })
  const record = { state: new Container({ id: 'c1', bundlePath: '/b' }).state, own: emptyOwnRecord }
  return { clock, disk, gate, lanes, recorder, record, outcomes, written }
}

describe('the recorder of a state', () => {
  it('tells of a refusal, tries again by itself, and tells that it is written', async () => {
    const { clock, disk, recorder, record, outcomes } = stage()
    recorder.put(record)
    await expect(recorder.flush()).rejects.toMatchObject({ code: 'ERR_IO', containerId: 'c1' })
    expect([outcomes, recorder.isBehind, recorder.refusal?.code]).toEqual([['ERR_IO'], true, 'ERR_IO'])
    disk.refuses = false
    await clock.advance(100)
    expect([outcomes, recorder.isBehind, recorder.refusal]).toEqual([['ERR_IO', 'written'], false, undefined])
    expect(clock.pending).toBe(0)
  })

  it('tries once more when it is closed, then no more, whatever is put', async () => {
    const { clock, disk, recorder, record } = stage()
    recorder.put(record)
    await clock.settle()
    await recorder.close()
    expect([disk.writes, clock.pending]).toEqual([2, 0])
    recorder.put({ ...record })
    await recorder.flush()
    await clock.advance(60_000)
    expect(disk.writes).toBe(2)
  })

  it('gives up what is not written when it is dropped', async () => {
    const { clock, disk, recorder, record } = stage()
    recorder.put(record)
    await clock.settle()
    await recorder.drop()
    expect([recorder.isBehind, recorder.refusal, clock.pending]).toEqual([false, undefined, 0])
    await clock.advance(60_000)
    expect(disk.writes).toBe(1)
  })

  it('writes a state that passes when somebody waits for it, and not by itself', async () => {
    const { clock, disk, recorder, record } = stage()
    disk.refuses = false
    recorder.putLazily(record)
    await clock.settle()
    expect([disk.writes, recorder.isBehind]).toEqual([0, true])
    await recorder.flush()
    expect([disk.writes, recorder.isBehind]).toEqual([1, false])
  })

  it('owes those who wait for a state what they wait for, whatever passes meanwhile', async () => {
    const { clock, disk, gate, recorder, record, written } = stage()
    disk.refuses = false
    const first = Promise.withResolvers<void>()
    gate.opened = first.promise
    recorder.put(record)
    await clock.settle()
    recorder.put({ ...record, own: { ...record.own, handler: 'second' } })
    const flushed = recorder.flush()
    recorder.putLazily({ ...record, own: { ...record.own, handler: 'third' } })
    first.resolve()
    await flushed
    // In one write with what came after it.
    expect(written).toEqual([record.own.handler, 'third'])
    recorder.putLazily({ ...record, own: { ...record.own, handler: 'fourth' } })
    await clock.settle()
    expect(disk.writes).toBe(2)
  })

  it('says of a write that hangs that its time was up', async () => {
    const { clock, disk, gate, recorder, record, outcomes } = stage()
    disk.refuses = false
    gate.opened = new Promise(() => undefined)
    recorder.put(record)
    const refused = refusalOf(recorder.flush())
    await clock.advance(1000)
    expect(await refused).toMatchObject({ code: 'ERR_TIMEOUT', containerId: 'c1' })
    expect(outcomes).toEqual(['ERR_TIMEOUT'])
  })

  it('writes nothing when it is dropped before its turn has come', async () => {
    const { clock, disk, lanes, recorder, record } = stage({ lanesMax: 1 })
    const busy = Promise.withResolvers<void>()
    void lanes.run(() => busy.promise)
    recorder.put(record)
    const dropped = recorder.drop()
    busy.resolve()
    await dropped
    await clock.settle()
    expect(disk.writes).toBe(0)
  })

  it('waits longer after each refusal, and begins anew with the shortest wait once it was written', async () => {
    const { clock, disk, recorder, record } = stage()
    recorder.put(record)
    await clock.advance(100 + 200)
    expect(disk.writes).toBe(3)
    disk.refuses = false
    await clock.advance(400)
    expect(disk.writes).toBe(4)
    disk.refuses = true
    recorder.put({ ...record })
    await clock.settle()
    expect(disk.writes).toBe(5)
    await clock.advance(100)
    expect(disk.writes).toBe(6)
  })
})
