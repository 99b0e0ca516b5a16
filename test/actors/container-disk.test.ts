import { EMPTY } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { ContainerDisk } from '../../src/actors/container-disk.ts'
import { createLanes } from '../../src/actors/lanes.ts'
import { Container } from '../../src/container.ts'
import { emptyOwnRecord, type StateRecord } from '../../src/store/state-record.ts'
import { silentLogger } from '../../src/surroundings/logger.ts'
import { SimulatedClock } from '../../src/testing.ts'
import { full, SlowDisk } from '../runtime/slow-disk.ts'

/** One container on a disk that a test may make refuse, and the order in which things happen to it. */
function stage({ hasPlace = false, discard = () => Promise.resolve() } = {}) {
  const clock = new SimulatedClock()
  const directory = new SlowDisk()
  const container = new Container({ id: 'c1', bundlePath: '/b' })
  const heard: string[] = []
  const record = (handler: string): StateRecord => ({
    state: container.state,
    own: { ...emptyOwnRecord, handler },
  })
  const disk = new ContainerDisk({
    container,
    directory,
    exits: {
      exits$: EMPTY,
      expect: () => undefined,
      urgent: () => undefined,
      scan: () => Promise.resolve(),
      discard: async () => {
        heard.push(`discard with ${directory.forgotten.length} forgotten`)
        await discard()
      },
    },
    lanes: createLanes(2),
    clock,
    logger: {
      ...silentLogger,
      warn: (_, message) => heard.push(message),
      error: (_, message) => heard.push(message),
    },
    writeTimeoutMs: 1000,
    onDisk: hasPlace ? record('first') : undefined,
  })
  const written = (): unknown => directory.written.get('c1')?.own.handler
  return { clock, directory, disk, heard, record, written }
}

describe('a container on disk', () => {
  it('has in its place what was put while that was being made, once and only then', async () => {
    const { clock, directory, disk, record, written } = stage()
    const slow = Promise.withResolvers<void>()
    directory.prepareGate = () => slow.promise
    disk.put(record('first'))
    const prepared = disk.prepare()
    disk.put(record('second'))
    await clock.settle()
    expect([written(), disk.hasNoPlace]).toEqual([undefined, true])
    slow.resolve()
    await prepared
    await disk.flush()
    expect([written(), disk.hasNoPlace]).toEqual(['second', false])
    expect(directory.begun).toHaveLength(1)
  })

  it('gets its place once for all who ask at the same time, and nothing written where nothing has changed', async () => {
    const { directory, disk, record, written } = stage()
    let prepared = 0
    directory.prepareGate = () => {
      prepared += 1
      return Promise.resolve()
    }
    disk.put(record('first'))
    await Promise.all([disk.prepare(), disk.prepare()])
    await disk.flush()
    expect([prepared, directory.begun]).toEqual([1, []])
    disk.put(record('second'))
    await disk.flush()
    expect(written()).toBe('second')
  })

  it('has no place before there is a state for it', async () => {
    const { disk } = stage()
    await expect(disk.prepare()).rejects.toMatchObject({ code: 'ERR_INTERNAL', containerId: 'c1' })
  })

  it('is not written anew for a time alone', async () => {
    const { directory, disk, record } = stage({ hasPlace: true })
    const { state, own } = record('first')
    disk.put({ state, own: { ...own, since: '2020-01-01T00:00:00.000000000Z' } })
    await disk.flush()
    expect(directory.begun).toEqual([])
  })

  it('is not written anew when nothing has changed over a restart', async () => {
    const { directory, disk, record } = stage({ hasPlace: true })
    disk.put(record('first'))
    await disk.flush()
    expect(directory.begun).toEqual([])
  })

  it('complains once of a disk that refuses again and again, and tells that it does', async () => {
    const { clock, directory, disk, heard, record, written } = stage({ hasPlace: true })
    directory.gate = full
    disk.put(record('second'))
    await clock.advance(5000)
    expect(directory.begun.length).toBeGreaterThan(2)
    expect([heard, disk.refuses]).toEqual([['the state cannot be written; retrying'], true])
    directory.gate = () => Promise.resolve()
    await clock.advance(20_000)
    expect([written(), disk.refuses]).toEqual(['second', false])
  })

  it('keeps an exit file until the state is there, and says when it cannot be removed', async () => {
    const { clock, directory, disk, heard, record } = stage({
      hasPlace: true,
      discard: () => Promise.reject(new Error('EROFS')),
    })
    const slow = Promise.withResolvers<void>()
    directory.gate = () => slow.promise
    disk.put(record('second'))
    disk.exitIsOver()
    await clock.settle()
    expect(heard).toEqual([])
    slow.resolve()
    await clock.settle()
    expect(heard).toEqual(['discard with 0 forgotten', 'the exit file cannot be removed'])
    disk.put(record('third'))
    await disk.flush()
    expect(heard).toHaveLength(2)
  })

  it('that is forgotten loses its exit file first', async () => {
    const { disk, heard, directory } = stage({ hasPlace: true })
    await disk.forget()
    expect([heard, directory.forgotten]).toEqual([['discard with 0 forgotten'], ['c1']])
  })

  it('is listed until its exit file is gone: a restart would find the one without the other', async () => {
    const slow = Promise.withResolvers<void>()
    const { clock, disk, directory } = stage({ hasPlace: true, discard: () => slow.promise })
    const forgotten = disk.forget()
    await clock.settle()
    expect(directory.forgotten).toEqual([])
    slow.resolve()
    await forgotten
    expect(directory.forgotten).toEqual(['c1'])
  })

  it('is not forgotten when its exit file stays', async () => {
    const { disk, directory } = stage({ hasPlace: true, discard: full })
    await expect(disk.forget()).rejects.toMatchObject({ code: 'ERR_IO' })
    expect(directory.forgotten).toEqual([])
  })

  it('that is written after a refusal, and could not be forgotten, loses its exit file first next time', async () => {
    const { clock, disk, heard, directory, record } = stage({ hasPlace: true })
    directory.gate = full
    directory.forgetGate = full
    disk.put(record('second'))
    await expect(disk.forget()).rejects.toMatchObject({ code: 'ERR_IO' })
    directory.gate = () => Promise.resolve()
    directory.forgetGate = () => Promise.resolve()
    disk.keep()
    disk.put(record('second'))
    await clock.advance(1000)
    await disk.forget()
    expect(heard).toEqual(['the state cannot be written; retrying', 'discard with 0 forgotten'])
  })

  it('that is forgotten on a disk that refuses its state loses its exit file last', async () => {
    const { disk, heard, directory, record } = stage({ hasPlace: true })
    directory.gate = full
    disk.put(record('second'))
    await disk.forget()
    expect(heard).toEqual(['the state cannot be written; retrying', 'discard with 1 forgotten'])
  })

  it('leaves an exit of its id alone when it never had a place', async () => {
    const { disk, heard, record } = stage()
    disk.put(record('first'))
    await disk.forget()
    expect(heard).toEqual([])
  })

  it('that could not be forgotten has its state written again, even when that has not changed', async () => {
    const { disk, directory, record, written } = stage({ hasPlace: true })
    directory.forgetGate = full
    await expect(disk.forget()).rejects.toMatchObject({ code: 'ERR_IO' })
    disk.keep()
    disk.put(record('first'))
    await disk.flush()
    expect(written()).toBe('first')
  })
})
