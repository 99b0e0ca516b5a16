import { EventEmitter, once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { Container } from '../../src/container.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'

function made(id: string, createdAtMs = 0): Container {
  return new Container({ id, bundlePath: '/b', createdAt: new Date(createdAtMs) })
}

function storeOf(...containers: Container[]): MemoryStore {
  const store = new MemoryStore()
  for (const container of containers) store.add(container.id, container)
  return store
}

describe('MemoryStore', () => {
  it('returns the container that was added under an id', () => {
    const a = made('a')
    expect(storeOf(a).get('a')).toBe(a)
    expect(storeOf(a).get('b')).toBeUndefined()
  })

  it('overwrites the container of an id', () => {
    const store = storeOf(made('a', 1))
    const second = made('a', 2)
    store.list()
    store.add('a', second)
    expect([store.size, store.get('a'), store.list()]).toEqual([1, second, [second]])
  })

  it('forgets a deleted container, and ignores an unknown id', () => {
    const store = storeOf(made('a'), made('b'))
    store.list()
    store.delete('a')
    store.delete('nobody')
    expect(store.size).toBe(1)
    expect(store.list().map(({ id }) => id)).toEqual(['b'])
  })

  it('lists the newest first, in a list that is the caller’s', () => {
    const store = storeOf(made('old', 1), made('new', 2))
    store.list().pop()
    expect(store.list().map(({ id }) => id)).toEqual(['new', 'old'])
  })

  it('finds the newest container that a filter accepts', () => {
    const store = storeOf(made('old', 1), made('middle', 2), made('new', 3))
    expect(store.first(({ id }) => id !== 'new')?.id).toBe('middle')
    expect(store.first(() => false)).toBeUndefined()
  })
})

describe('applyAll', () => {
  it('runs the reducers at the same time and waits for all of them', async () => {
    const arrived: string[] = []
    const everybodyIsHere = new EventEmitter()
    // Resolves only if every reducer is started before the first has ended.
    await storeOf(made('a', 2), made('b', 1)).applyAll(async ({ id }) => {
      arrived.push(id)
      if (arrived.length === 2) setImmediate(() => everybodyIsHere.emit('now'))
      await once(everybodyIsHere, 'now')
      arrived.push(`${id} done`)
    })
    expect(arrived).toEqual(['a', 'b', 'a done', 'b done'])
  })

  it('goes over a copy: a reducer may add and delete', async () => {
    const store = storeOf(made('a', 2), made('b', 1))
    const seen: string[] = []
    await store.applyAll(({ id }) => {
      seen.push(id)
      store.delete('b')
      store.add('c', made('c', 3))
    })
    expect(seen).toEqual(['a', 'b'])
    expect(store.list().map(({ id }) => id)).toEqual(['c', 'a'])
  })

  it('collects what the reducers throw, at once or later, after all have run', async () => {
    const seen: string[] = []
    const outcome = storeOf(made('a', 3), made('b', 2), made('c', 1)).applyAll((container) => {
      seen.push(container.id)
      if (container.id === 'a') throw new Error('a')
      return container.id === 'b' ? Promise.reject(new Error('b')) : undefined
    })
    await expect(outcome).rejects.toThrow(AggregateError)
    await expect(outcome).rejects.toMatchObject({ errors: [new Error('a'), new Error('b')] })
    expect(seen).toEqual(['a', 'b', 'c'])
  })

  it('resolves for an empty store', async () => {
    await expect(new MemoryStore().applyAll(() => undefined)).resolves.toBeUndefined()
  })
})
