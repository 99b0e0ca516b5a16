import { getEventListeners } from 'node:events'
import * as fc from 'fast-check'
import { filter as rxFilter } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { isOciError } from '../../src/errors/index.ts'
import { silentLogger } from '../../src/surroundings/logger.ts'
import {
  createEventLog,
  type ContainerEvent,
  type EventLog,
  type EventsOptions,
  type SupervisorEvent,
} from '../../src/observe/events.ts'

const at = '2026-01-01T00:00:00.000000000Z'
const clock = { now: () => 0, setTimeout: () => 0, clearTimeout: () => undefined, timestamp: () => at }

function logOf(historyMax = 1000, subscriberBufferMax = 1000): EventLog {
  return createEventLog({ epoch: 'e1', clock, historyMax, subscriberBufferMax })
}

function publish(log: EventLog, count: number, id = 'a'): void {
  for (let i = 0; i < count; i++) log.publish(id, { type: 'started' })
}

const even = (event: ContainerEvent): boolean => event.cursor.seq % 2 === 0

function iterate(log: EventLog, options?: EventsOptions): AsyncIterator<SupervisorEvent> {
  return log.events(options)[Symbol.asyncIterator]()
}

async function read(iterator: AsyncIterator<SupervisorEvent>): Promise<SupervisorEvent[]> {
  const result = await iterator.next()
  return result.done === true ? [] : [result.value]
}

async function readAll(iterator: AsyncIterator<SupervisorEvent>): Promise<SupervisorEvent[]> {
  const events: SupervisorEvent[] = []
  for (let next = await read(iterator); next.length > 0; next = await read(iterator)) events.push(...next)
  return events
}

/** Events as short words: their seq, or `-count@seq` for what was dropped. */
function words(events: readonly SupervisorEvent[]): (number | string)[] {
  return events.map((event) =>
    event.type === 'dropped'
      ? `-${event.count ?? '?'}@${event.cursor.epoch}/${event.cursor.seq}`
      : event.cursor.seq,
  )
}

async function replayed(log: EventLog, options: EventsOptions): Promise<(number | string)[]> {
  const iterator = iterate(log, options)
  log.close()
  return words(await readAll(iterator))
}

describe('an iteration over the events', () => {
  it('yields what happens, in order, with cursor, time and container', async () => {
    const log = logOf()
    const iterator = iterate(log)
    log.publish('a', { type: 'created', pid: 7 })
    log.publish('b', { type: 'phase', from: 'creating', to: 'created', inPhaseMs: 5 })
    log.close()
    expect(await readAll(iterator)).toEqual([
      { cursor: { epoch: 'e1', seq: 1 }, at, containerId: 'a', type: 'created', pid: 7 },
      {
        cursor: { epoch: 'e1', seq: 2 },
        at,
        containerId: 'b',
        type: 'phase',
        from: 'creating',
        to: 'created',
        inPhaseMs: 5,
      },
    ])
  })

  it('wakes readers that wait, in the order of their reads', async () => {
    const log = logOf()
    const iterator = iterate(log)
    const reads = [iterator.next(), iterator.next(), iterator.next()]
    publish(log, 2)
    log.close()
    const results = await Promise.all(reads)
    expect(results.map(({ done, value }) => (done === true ? 'end' : words([value])[0]))).toEqual([
      1,
      2,
      'end',
    ])
  })

  it('begins with the call of events(), not with the first read', async () => {
    const log = logOf()
    publish(log, 2)
    const events = log.events()
    publish(log, 2)
    const iterator = events[Symbol.asyncIterator]()
    publish(log, 1)
    log.close()
    expect(words(await readAll(iterator))).toEqual([3, 4, 5])
  })

  it('costs nothing while nobody iterates', () => {
    const log = logOf()
    log.events()
    expect(log.subscribers).toBe(0)
  })

  it('drops the oldest for a slow subscriber and says exactly how many, in their place', async () => {
    const log = logOf(1000, 3)
    const slow = iterate(log)
    publish(log, 5)
    const events = [...(await read(slow)), ...(await read(slow))]
    publish(log, 4)
    log.close()
    events.push(...(await readAll(slow)))
    expect(words(events)).toEqual(['-2@e1/1', 3, '-3@e1/4', 7, 8, 9])
  })

  it('counts only what passes the filter as dropped', async () => {
    const log = logOf(1000, 1)
    const slow = iterate(log, { filter: { ids: ['a'] } })
    publish(log, 1, 'a')
    publish(log, 5, 'b')
    publish(log, 1, 'a')
    log.close()
    expect(words(await readAll(slow))).toEqual(['-1@e1/1', 7])
  })

  it('keeps a slow subscriber from costing a quick one anything', async () => {
    const log = logOf(1000, 2)
    const slow = iterate(log)
    const quick = iterate(log)
    const seen: SupervisorEvent[] = []
    for (let i = 0; i < 10; i++) {
      publish(log, 1)
      seen.push(...(await read(quick)))
    }
    log.close()
    expect(words(seen)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(words(await readAll(slow))).toEqual(['-8@e1/1', 9, 10])
  })

  it('accounts for every event, whatever the pace of reading', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.oneof(fc.constant('read' as const), fc.integer({ min: 1, max: 8 })), { maxLength: 40 }),
        async (bufferMax, steps) => {
          const log = logOf(0, bufferMax)
          const iterator = iterate(log)
          const reads: Promise<IteratorResult<SupervisorEvent>>[] = []
          for (const step of steps) {
            if (step === 'read') reads.push(iterator.next())
            else publish(log, step)
          }
          const lastSeq = log.cursor.seq
          log.close()
          const first = (await Promise.all(reads)).flatMap(({ done, value }) =>
            done === true ? [] : [value],
          )
          let nextSeq = 1
          for (const event of [...first, ...(await readAll(iterator))]) {
            expect(event.cursor.seq).toBe(nextSeq)
            nextSeq += event.type === 'dropped' ? (event.count ?? Number.NaN) : 1
          }
          expect(nextSeq).toBe(lastSeq + 1)
        },
      ),
    )
  })
})

describe('a filter', () => {
  it('passes what matches both the ids and the types', async () => {
    const log = logOf()
    const iterator = iterate(log, { filter: { ids: ['a', 'c'], types: ['started', 'deleted'] } })
    log.publish('a', { type: 'started' })
    log.publish('b', { type: 'started' })
    log.publish('a', { type: 'paused' })
    log.publish('c', { type: 'deleted' })
    log.close()
    expect(words(await readAll(iterator))).toEqual([1, 4])
  })

  it('may be a function, which also decides over the history', async () => {
    const log = logOf()
    publish(log, 4)
    expect(await replayed(log, { filter: even, since: { epoch: 'e1', seq: 0 } })).toEqual([2, 4])
  })

  it.each(['live', 'history'])('that throws ends its own iteration only (%s)', async (when) => {
    const log = logOf()
    const since = log.cursor
    const other = iterate(log)
    if (when === 'history') publish(log, 1)
    const cause = new Error('mine')
    const broken = iterate(log, {
      since,
      filter: () => {
        throw cause
      },
    })
    const early = when === 'live' ? [broken.next(), broken.next()] : []
    if (when === 'live') publish(log, 1)
    const [first = broken.next(), second = broken.next()] = early
    await expect(first).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'filter', cause })
    expect(await second).toEqual({ done: true, value: undefined })
    expect(log.subscribers).toBe(1)
    log.close()
    expect(words(await readAll(other))).toEqual([1])
  })

  it('that throws is not asked again', async () => {
    const log = logOf()
    publish(log, 3)
    let asked = 0
    const broken = iterate(log, {
      since: { epoch: 'e1', seq: 0 },
      filter: () => {
        asked += 1
        throw new Error('mine')
      },
    })
    await expect(broken.next()).rejects.toMatchObject({ field: 'filter' })
    publish(log, 1)
    expect([asked, await broken.next()]).toEqual([1, { done: true, value: undefined }])
  })

  it('that ends its own iteration before it throws has ended it without an error', async () => {
    const log = logOf()
    const abort = new AbortController()
    const iterator = iterate(log, {
      signal: abort.signal,
      filter: () => {
        abort.abort()
        throw new Error('mine')
      },
    })
    publish(log, 1)
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
  })

  it('whose lists are no arrays is refused', () => {
    const malformed: object = { filter: { ids: 'a' } }
    expect(() => logOf().events(malformed)).toThrow('filter.ids must be an array of strings')
  })
})

describe('since', () => {
  it('replays what came after the cursor, then goes on live without gap or repetition', async () => {
    const log = logOf()
    publish(log, 5)
    const iterator = iterate(log, { since: { epoch: 'e1', seq: 3 } })
    publish(log, 2)
    log.close()
    expect(words(await readAll(iterator))).toEqual([4, 5, 6, 7])
  })

  it('says how many the history has lost', async () => {
    const log = logOf(3)
    publish(log, 10)
    expect(await replayed(log, { since: { epoch: 'e1', seq: 2 } })).toEqual(['-5@e1/3', 8, 9, 10])
  })

  it('says so where no history is kept at all', async () => {
    const log = logOf(0)
    publish(log, 2)
    expect(await replayed(log, { since: { epoch: 'e1', seq: 0 } })).toEqual(['-2@e1/1'])
  })

  it('loses nothing while the cursor is just old enough', async () => {
    const log = logOf(3)
    publish(log, 10)
    expect(await replayed(log, { since: { epoch: 'e1', seq: 7 } })).toEqual([8, 9, 10])
  })

  it('of another epoch begins with a gap that nobody can count', async () => {
    const log = logOf()
    publish(log, 2)
    expect(await replayed(log, { since: { epoch: 'e0', seq: 9 } })).toEqual(['-?@e0/10', 1, 2])
  })

  it('the last event replays nothing', async () => {
    const log = logOf()
    publish(log, 2)
    expect(await replayed(log, { since: log.cursor })).toEqual([])
  })

  it.each([
    ['an event to come', { epoch: 'e1', seq: 3 }],
    ['half an event', { epoch: 'e1', seq: 0.5 }],
    ['before the first', { epoch: 'e1', seq: -1 }],
    ['no epoch', { seq: 1 }],
  ])('%s is refused', (_, since) => {
    const log = logOf()
    publish(log, 2)
    const malformed: object = { since }
    expect(() => log.events(malformed)).toThrow('since must be a cursor of an event that has happened')
  })

  it('does not squeeze the history through the buffer of a subscriber', async () => {
    const log = logOf(10, 2)
    publish(log, 10)
    const iterator = iterate(log, { since: { epoch: 'e1', seq: 0 } })
    publish(log, 4)
    log.close()
    expect(words(await readAll(iterator))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, '-2@e1/11', 13, 14])
  })
})

describe('the end of an iteration', () => {
  it('by its signal is no error and discards what was not read', async () => {
    const log = logOf()
    const abort = new AbortController()
    const waiting = iterate(log, { signal: abort.signal })
    const behind = iterate(log, { signal: abort.signal })
    const first = waiting.next()
    publish(log, 1)
    await first
    const pending = waiting.next()
    abort.abort()
    expect(await pending).toEqual({ done: true, value: undefined })
    expect(await behind.next()).toEqual({ done: true, value: undefined })
  })

  it.each(['abort', 'return'])('by %s discards the history and the gap as well', async (how) => {
    const log = logOf(10, 1)
    publish(log, 2)
    const abort = new AbortController()
    const iterator = iterate(log, { signal: abort.signal, since: { epoch: 'e1', seq: 0 } })
    publish(log, 2)
    if (how === 'abort') abort.abort()
    else await iterator.return?.()
    expect(await readAll(iterator)).toEqual([])
  })

  it('comes before its beginning when the signal is aborted already', async () => {
    const log = logOf()
    publish(log, 1)
    const iterator = iterate(log, { signal: AbortSignal.abort(), since: { epoch: 'e1', seq: 0 } })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(log.subscribers).toBe(0)
  })

  it('by return() does not wait for the next event', async () => {
    const log = logOf()
    const iterator = iterate(log)
    const pending = iterator.next()
    await iterator.return?.()
    expect(await pending).toEqual({ done: true, value: undefined })
    expect(log.subscribers).toBe(0)
  })

  it('comes with a break out of the loop', async () => {
    const log = logOf()
    const events = log.events()
    publish(log, 2)
    for await (const event of events) {
      expect(event.cursor.seq).toBe(1)
      break
    }
    expect(log.subscribers).toBe(0)
  })

  it('leaves neither subscriber nor listener behind, 10,000 times over', async () => {
    const log = logOf()
    const shared = new AbortController()
    for (let i = 0; i < 10_000; i++) {
      const own = new AbortController()
      const byAbort = iterate(log, { signal: own.signal })
      const byReturn = iterate(log, { signal: shared.signal })
      const pending = [byAbort.next(), byReturn.next()]
      own.abort()
      await byReturn.return?.()
      await Promise.all(pending)
      expect(getEventListeners(own.signal, 'abort')).toHaveLength(0)
    }
    expect(getEventListeners(shared.signal, 'abort')).toHaveLength(0)
    expect(log.subscribers).toBe(0)
  })

  it('comes with close() after what was not read, also for those who come later', async () => {
    const log = logOf()
    const shared = new AbortController()
    const iterator = iterate(log, { signal: shared.signal })
    publish(log, 2)
    log.close()
    publish(log, 1)
    expect(words(await readAll(iterator))).toEqual([1, 2])
    expect(words(await readAll(iterate(log, { since: { epoch: 'e1', seq: 1 } })))).toEqual([2])
    expect(getEventListeners(shared.signal, 'abort')).toHaveLength(0)
    expect(log.subscribers).toBe(0)
  })
})

describe('events$', () => {
  it('delivers what happens while subscribed, and completes with close()', () => {
    const log = logOf()
    const seen: (number | string)[] = []
    publish(log, 1)
    log.events$.subscribe({ next: (event) => seen.push(event.cursor.seq), complete: () => seen.push('end') })
    publish(log, 2)
    log.close()
    expect(seen).toEqual([2, 3, 'end'])
  })

  it('contains what a subscriber throws', async () => {
    const thrown: unknown[] = []
    const logger = { ...silentLogger, warn: (fields: object) => thrown.push(fields) }
    const log = createEventLog({ logger })
    const seen: number[] = []
    const iterator = iterate(log)
    const error = new Error('mine')
    log.events$.subscribe(() => {
      throw error
    })
    log.events$.subscribe((event) => seen.push(event.cursor.seq))
    publish(log, 2)
    log.close()
    expect(seen).toEqual([1, 2])
    expect(thrown).toEqual([{ err: error }, { err: error }])
    expect(words(await readAll(iterator))).toHaveLength(2)
  })

  it('keeps the order for everybody when a subscriber causes the next event', async () => {
    const log = logOf()
    const seen: number[] = []
    const iterator = iterate(log)
    log.events$.pipe(rxFilter(({ cursor }) => cursor.seq < 5)).subscribe(() => {
      publish(log, 1)
    })
    log.events$.subscribe((event) => seen.push(event.cursor.seq))
    publish(log, 1)
    log.close()
    expect(seen).toEqual([1, 2, 3, 4, 5])
    expect(words(await readAll(iterator))).toEqual([1, 2, 3, 4, 5])
  })

  it('repeats nothing for an iteration begun in the middle of such a chain', async () => {
    const log = logOf()
    let inner: AsyncIterator<SupervisorEvent> | undefined
    log.events$.subscribe(({ cursor }) => {
      if (cursor.seq > 1) return
      publish(log, 1)
      inner = iterate(log, { since: { epoch: 'e1', seq: 0 } })
    })
    publish(log, 1)
    publish(log, 1)
    log.close()
    expect(inner === undefined ? [] : words(await readAll(inner))).toEqual([1, 2, 3])
  })
})

describe('an event', () => {
  it('cannot be changed by one subscriber for the others', () => {
    const log = logOf()
    const caught: unknown[] = []
    log.events$.subscribe((event) => {
      try {
        ;(event as { type: string }).type = 'mine'
      } catch (error) {
        caught.push(error)
      }
    })
    publish(log, 1)
    expect(caught).toHaveLength(1)
  })
})

describe('createEventLog', () => {
  it('begins an epoch of its own each time', () => {
    expect(createEventLog().cursor.epoch).not.toBe(createEventLog().cursor.epoch)
  })

  it.each(['historyMax', 'subscriberBufferMax'])('refuses a %s that is no limit', (field) => {
    let error: unknown
    try {
      createEventLog({ [field]: -1 })
    } catch (thrown) {
      error = thrown
    }
    expect(isOciError(error) && [error.code, error.field]).toEqual(['ERR_INVALID_ARGUMENT', field])
  })
})
