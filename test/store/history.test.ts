import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { Container } from '../../src/container.ts'
import { newestFirst } from '../../src/store/history.ts'

function made(id: string, createdAtMs: number): Container {
  return new Container({ id, bundlePath: '/b', createdAt: new Date(createdAtMs) })
}

it('puts the newest container first', () => {
  const list = newestFirst([made('old', 1), made('new', 3), made('middle', 2)])
  expect(list.map((container) => container.id)).toEqual(['new', 'middle', 'old'])
})

it('orders any containers the same way, however they come in', () => {
  const containers = fc.uniqueArray(fc.record({ id: fc.stringMatching(/^[a-zA-Z]{1,3}$/), at: fc.nat(3) }), {
    selector: ({ id }) => id,
  })
  fc.assert(
    fc.property(containers, (given) => {
      const forwards = newestFirst(given.map(({ id, at }) => made(id, at)))
      const backwards = newestFirst(given.toReversed().map(({ id, at }) => made(id, at)))
      expect(forwards.map(({ id }) => id)).toEqual(backwards.map(({ id }) => id))
      const times = forwards.map(({ createdAt }) => createdAt.getTime())
      expect(times).toEqual(times.toSorted((a, b) => b - a))
    }),
  )
})

it('leaves what it was given as it is', () => {
  const given = [made('a', 1), made('b', 2)]
  newestFirst(given)
  expect(given.map((container) => container.id)).toEqual(['a', 'b'])
})
