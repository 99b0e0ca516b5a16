import { once } from 'node:events'
import { expect, it } from 'vitest'
import { within } from '../../../src/impl/launcher/deadlines.ts'
import { connected, stall } from '../../support/stall.ts'

it('a wait with a limit hears of what has arrived while the event loop stood still', async () => {
  const { near, far } = await connected()
  const answer = once(near, 'data').then(() => 'answer')
  const { promise: heard, resolve } = Promise.withResolvers<string | undefined>()
  setImmediate(() => {
    far.write('answer')
    within(answer, 5).then(resolve, resolve)
    stall(50)
  })
  expect(await heard).toBe('answer')
})

it('a wait with a limit ends without what does not come, however long the limit is', async () => {
  expect(await within(new Promise(() => undefined), 1)).toBeUndefined()
  expect(await within(Promise.resolve('answer'), Infinity)).toBe('answer')
})
